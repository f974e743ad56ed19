"""Operators of millrace in Python.

An operator is a function or a class with a decorator. It gets whole record batches of Arrow, and gives such back; serve offers all operators of a
program to the engine that has started it:

    import pyarrow as pa, pyarrow.compute as pc
    from millrace_plugin import operator, serve

    @operator(reads=["price", "amount"], adds=[pa.field("total", pa.float64())])
    def total(batch: pa.RecordBatch):
        return pc.multiply(batch["price"], batch["amount"])

    if __name__ == "__main__":
        serve(name="shop", version="1.0")

Output is a function of the arguments alone: no clock, no random numbers, no order of a hash table, nothing that an earlier call left behind. A call
may come again, in another process, and must give equal bytes. docs/plugins-python.md is the guide.
"""

from .errors import EndOfPartition, Fenced, OutputError, Refused, WireError
from .operators import aggregate, filter, keyed, operator, require, scalar, sink, source
from .types import DELETE, KEEP, SET, Context, Declaration, KeyedInput, KeyedOutput, Owner, Partition, Result, Rows
from ._calls import given_up
from ._serve import serve

__all__ = [
    "operator", "filter", "scalar", "aggregate", "keyed", "source", "sink", "serve", "require", "given_up",
    "Context", "Declaration", "Result", "KeyedInput", "KeyedOutput", "KEEP", "SET", "DELETE", "Owner", "Partition", "Rows",
    "Refused", "EndOfPartition", "Fenced", "OutputError", "WireError",
]
