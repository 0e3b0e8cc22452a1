"""Has Java compile and run `Work.java` in the place of this process, on the core that the job names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from benchmarks.job import read_job
from streamproc.brokers.jars import KafkaError, find_java, resolve_jars

_FOLDER = Path(__file__).parent

if __name__ == "__main__":
    job = read_job()
    try:
        java, jars = find_java(), resolve_jars(pom=_FOLDER / "pom.xml", name="kafka-streams")
    except KafkaError as error:
        sys.exit(str(error))
    os.execv(java, [java, "--class-path", f"{jars}/*", str(_FOLDER / "Work.java"), job.to_json()])
