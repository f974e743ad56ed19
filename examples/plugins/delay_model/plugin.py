"""A plugin that says of departures how likely each is to leave more than a quarter of an hour late.

    python3 plugin.py model.joblib

A job starts it; train.py writes the model.
"""

import hashlib
import io
import os
import sys
from pathlib import Path

# The engine runs a process for each of its slots: more threads would only be in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import joblib
import pyarrow as pa
import sklearn
from features import COLUMNS, features

from millrace_plugin import operator, serve

# The model is part of the program, so its hash is part of the version: jobs notice another model as they notice other code.
FILE = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("model.joblib")).read_bytes()


@operator(reads=[pa.field("scheduled", pa.string()), pa.field("carrier", pa.string()), pa.field("origin", pa.string()), pa.field("miles", pa.int64())],
          adds=[pa.field("risk", pa.float64(), nullable=False)])
class DelayRisk:
    """adds the probability that a departure is more than 15 minutes late"""

    def __init__(self):
        saved = joblib.load(io.BytesIO(FILE))
        if saved["sklearn"] != sklearn.__version__:
            raise RuntimeError(f"the model is of scikit-learn {saved['sklearn']}, and {sklearn.__version__} is here: train it again")
        self.model, self.carriers, self.origins = saved["model"], saved["carriers"], saved["origins"]

    def process(self, batch):
        if batch.num_rows == 0:
            return []
        return self.model.predict_proba(features({c: batch[c] for c in COLUMNS}, self.carriers, self.origins))[:, 1]


if __name__ == "__main__":
    serve(name="delay-model", version=f"1.0+{hashlib.sha256(FILE).hexdigest()[:12]}")
