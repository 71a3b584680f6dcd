"""The run folder: written as the run goes, so that a kill loses at most the last half second, and loaded as pandas.

While a run is under way its rows are appended to Arrow streams (`attempts.arrows`, ...), a batch at each flush; a
stream that ends in mid-batch still gives all the batches before. A run that ends in any orderly way rewrites each
stream as Parquet. `manifest.json` is replaced atomically, and says `incomplete` until the last moment.
"""

from harness.runs.loading import Run
from harness.runs.tables import TABLES, RunError, State, schema
from harness.runs.writing import RunWriter, folder_name, utc_text

__all__ = ["TABLES", "Run", "RunError", "RunWriter", "State", "folder_name", "schema", "utc_text"]
