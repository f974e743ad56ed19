"""What the model is told of a departure: the same for training and for scoring."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = ["scheduled", "carrier", "origin", "miles"]
LATE_MINUTES = 15  # more is late


def features(columns, carriers, origins):
    """A row of numbers for each departure: hour, day of week, carrier, origin, miles. A carrier or an airport that training has not seen is missing."""
    when = pc.strptime(columns["scheduled"], format="%Y-%m-%dT%H:%M", unit="s", error_is_null=True)
    rows = [
        pc.add(pc.multiply(pc.hour(when), 60), pc.minute(when)),
        pc.day_of_week(when),
        pc.index_in(columns["carrier"], pa.array(carriers)),
        pc.index_in(columns["origin"], pa.array(origins)),
        columns["miles"],
    ]
    return np.column_stack([pc.fill_null(r.cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False) for r in rows])
