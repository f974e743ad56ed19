"""Trains the model on the departures of 2013 and writes it to a file.

    python3 train.py ../../flights/data/departures.jsonl.gz model.joblib

It learns from the departures of January to September, and says how good it is on those of October to December. Equal input and versions give equal files.
"""

import gzip
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")

import joblib
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import sklearn
from features import COLUMNS, LATE_MINUTES, features
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score


def read(path):
    schema = pa.schema([("scheduled", pa.string()), ("carrier", pa.string()), ("origin", pa.string()), ("miles", pa.int64()), ("delay", pa.int64())])
    with gzip.open(path) as f:
        return pyarrow.json.read_json(f, parse_options=pyarrow.json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore")).combine_chunks()


def main(departures, out):
    table = read(departures)
    columns = {c: table[c].chunk(0) for c in COLUMNS}
    carriers, origins = (sorted(pc.unique(columns[c]).to_pylist()) for c in ("carrier", "origin"))
    x = features(columns, carriers, origins)
    late = pc.greater(table["delay"], LATE_MINUTES).to_numpy()
    early = pc.less(columns["scheduled"], "2013-10").to_numpy(zero_copy_only=False)
    model = HistGradientBoostingClassifier(max_iter=50, learning_rate=0.15, categorical_features=[1, 2, 3], early_stopping=False, random_state=0)
    model.fit(x[early], late[early])
    auc = roc_auc_score(late[~early], model.predict_proba(x[~early])[:, 1])
    print(f"{early.sum():,} departures learned, {(~early).sum():,} judged: area under the curve {auc:.3f}")
    joblib.dump({"model": model, "carriers": carriers, "origins": origins, "sklearn": sklearn.__version__}, out, compress=9)


if __name__ == "__main__":
    main(*sys.argv[1:])
