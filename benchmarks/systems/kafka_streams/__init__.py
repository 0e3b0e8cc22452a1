"""Kafka Streams, in Java: exactly once."""
