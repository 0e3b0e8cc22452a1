"""Pure recommendation and learning code: no Kafka, no clock, no global state."""
