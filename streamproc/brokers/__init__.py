"""Brokers to develop and test against: librdkafka's in-process one, and a real Apache Kafka from Maven artefacts."""
