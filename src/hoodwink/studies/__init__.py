"""Studies: one question each, answered by one command on real data.

result = hw.studies.run("neuron")
result.measured("source", "error").mean
"""

from hoodwink.studies.record import StudyError as StudyError
from hoodwink.studies.result import StudyResult as StudyResult
from hoodwink.studies.result import read_result as read_result
from hoodwink.studies.runner import run as run
from hoodwink.studies.table import STUDIES as STUDIES

__all__ = ["STUDIES", "StudyError", "StudyResult", "read_result", "run"]
