"""The command and its Python packages: plans runs, measures them in worker processes, keeps records and shows them.

Frameworks are imported only in workers, by ``backends``; what is learned stands in ``tasks``.
"""
