"""The wire contract: pydantic models of every record, and nothing else."""
