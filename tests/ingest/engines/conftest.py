"""One Spark session for all tests that need one, or a reason why there is none."""

from __future__ import annotations

import shutil

import pytest


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17 (make test-spark installs it)")
    pytest.importorskip("pyspark", reason="needs the extra `spark` (make test-spark installs it)")
    from pyspark.sql import SparkSession

    folder = tmp_path_factory.mktemp("spark")
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.log.level", "ERROR")
    for name in ("spark.local.dir", "spark.sql.warehouse.dir"):
        builder = builder.config(name, str(folder))
    session = builder.config("spark.sql.shuffle.partitions", "3").config("spark.driver.memory", "1g").getOrCreate()
    yield session
    session.stop()
