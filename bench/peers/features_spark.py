"""Spark SQL, the same query as DuckDB: features_spark.py --parquet FILE [--sample FILE] [--executions N]."""

import logging
import os

import pyarrow.parquet as pq
from features_common import main, peak_rss_mib, query
from pyspark.sql import SparkSession

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
spark = (
    SparkSession.builder.master("local[2]")
    .config("spark.driver.memory", "8g")
    .config("spark.sql.shuffle.partitions", 4)
    .config("spark.ui.enabled", "false")
    .config("spark.log.level", "ERROR")
    .getOrCreate()
)


def load(path):
    spark.read.parquet(path).createOrReplaceTempView("bars")


def sums(path):
    load(path)
    return list(spark.sql(query("bars", sample=False)).first())


def sample(path, where):
    load(path)
    pq.write_table(spark.sql(query("bars", sample=True)).toArrow(), where)


def memory():
    """Python's and the JVM's."""
    return peak_rss_mib() + peak_rss_mib(spark._jvm.ProcessHandle.current().pid())


main(sums, sample, memory)
