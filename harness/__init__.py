"""Top floor: who asks, measures, keeps and shows."""
