"""Names of machines."""

from __future__ import annotations

import pytest

from harness.records.base import Environment
from harness.records.machines import slug


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"cpu": "AMD EPYC"}, "amd-epyc-2-cpus"),
        ({"cpu": "Intel(R) Xeon(R) CPU @ 2.20GHz", "logical_cpus": 1}, "intel-xeon-2.20ghz-1-cpu"),
        ({"cpu": "AMD EPYC", "device_name": "NVIDIA H200"}, "amd-epyc-2-cpus-nvidia-h200"),
        ({"cpu": "AMD EPYC", "gpu": {"name": "NVIDIA H200"}}, "amd-epyc-2-cpus-nvidia-h200"),
        ({"cpu": "../../etc/<b>x"}, "etc-b-x-2-cpus"),
        ({"cpu": "…"}, "2-cpus"),
        ({"cpu": "a" * 500}, "a" * 80 + "-2-cpus"),
    ],
)
def test_a_machines_name_is_its_processor_its_cpus_and_its_gpu_whatever_a_record_says(
    about: dict[str, object], expected: str
) -> None:
    fields: dict[str, object] = {"logical_cpus": 2, "os": "Linux", "python": "3.11.9", "versions": {}, **about}
    assert slug(Environment.model_validate(fields)) == expected
