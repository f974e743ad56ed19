package sink

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/parquet"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/schema"
)

// parquetSchema is the Parquet form of a schema; an error names the column that has none.
func parquetSchema(s *arrow.Schema) (*schema.GroupNode, error) {
	nodes, err := parquetNodes(s.Fields())
	if err != nil {
		return nil, err
	}
	return schema.NewGroupNode("schema", parquet.Repetitions.Required, nodes, -1)
}

func parquetNodes(fields []arrow.Field) (schema.FieldList, error) {
	var nodes schema.FieldList
	for _, f := range fields {
		n, err := parquetNode(f)
		if err != nil {
			return nil, fmt.Errorf("column %s: %w", f.Name, err)
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

func parquetNode(f arrow.Field) (schema.Node, error) {
	rep := parquet.Repetitions.Required
	if f.Nullable {
		rep = parquet.Repetitions.Optional
	}
	switch dt := f.Type.(type) {
	case *arrow.StructType:
		nodes, err := parquetNodes(dt.Fields())
		if err != nil {
			return nil, err
		}
		if len(nodes) == 0 {
			return nil, fmt.Errorf("a struct without fields has no form in Parquet")
		}
		return schema.NewGroupNode(f.Name, rep, nodes, -1)
	case *arrow.MapType:
		key, item := dt.KeyField(), dt.ItemField()
		key.Nullable = false
		nodes, err := parquetNodes([]arrow.Field{key, item})
		if err != nil {
			return nil, err
		}
		return schema.MapOf(f.Name, nodes[0], nodes[1], rep, -1)
	case *arrow.ListType:
		elem, err := parquetNode(dt.ElemField())
		if err != nil {
			return nil, err
		}
		return schema.ListOfWithName(f.Name, elem, rep, -1)
	}
	physical, logical, length, err := parquetType(f.Type)
	if err != nil {
		return nil, err
	}
	return schema.NewPrimitiveNodeLogical(f.Name, rep, logical, physical, length, -1)
}

// parquetType is the form of a plain value.
func parquetType(dt arrow.DataType) (physical parquet.Type, logical schema.LogicalType, length int, err error) {
	none := schema.NoLogicalType{}
	switch dt := dt.(type) {
	case *arrow.BooleanType:
		return parquet.Types.Boolean, none, -1, nil
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type:
		return parquet.Types.Int32, intType(dt), -1, nil
	case *arrow.Int64Type, *arrow.Uint64Type:
		return parquet.Types.Int64, intType(dt), -1, nil
	case *arrow.DurationType:
		return parquet.Types.Int64, schema.NewIntLogicalType(64, true), -1, nil
	case *arrow.Float32Type:
		return parquet.Types.Float, none, -1, nil
	case *arrow.Float64Type:
		return parquet.Types.Double, none, -1, nil
	case *arrow.StringType:
		return parquet.Types.ByteArray, schema.StringLogicalType{}, -1, nil
	case *arrow.BinaryType:
		return parquet.Types.ByteArray, none, -1, nil
	case *arrow.FixedSizeBinaryType:
		return parquet.Types.FixedLenByteArray, none, dt.ByteWidth, nil
	case *arrow.Decimal128Type:
		return parquet.Types.FixedLenByteArray, schema.NewDecimalLogicalType(dt.Precision, dt.Scale), 16, nil
	case *arrow.TimestampType:
		switch dt.Unit {
		case arrow.Microsecond:
			return parquet.Types.Int64, schema.NewTimestampLogicalType(true, schema.TimeUnitMicros), -1, nil
		case arrow.Millisecond:
			return parquet.Types.Int64, schema.NewTimestampLogicalType(true, schema.TimeUnitMillis), -1, nil
		}
	}
	return 0, nil, 0, fmt.Errorf("%s has no form in Parquet", dt)
}

func intType(dt arrow.DataType) schema.LogicalType {
	signed := map[arrow.Type]bool{arrow.INT8: true, arrow.INT16: true, arrow.INT32: true, arrow.INT64: true}[dt.ID()]
	return schema.NewIntLogicalType(int8(dt.(arrow.FixedWidthDataType).BitWidth()), signed)
}

// copyChunk copies a column's values and levels as they are.
func copyChunk(to file.ColumnChunkWriter, from file.ColumnChunkReader) error {
	switch r := from.(type) {
	case *file.BooleanColumnChunkReader:
		return copyValues(from, r.ReadBatch, to.(*file.BooleanColumnChunkWriter).WriteBatch)
	case *file.Int32ColumnChunkReader:
		return copyValues(from, r.ReadBatch, to.(*file.Int32ColumnChunkWriter).WriteBatch)
	case *file.Int64ColumnChunkReader:
		return copyValues(from, r.ReadBatch, to.(*file.Int64ColumnChunkWriter).WriteBatch)
	case *file.Float32ColumnChunkReader:
		return copyValues(from, r.ReadBatch, to.(*file.Float32ColumnChunkWriter).WriteBatch)
	case *file.Float64ColumnChunkReader:
		return copyValues(from, r.ReadBatch, to.(*file.Float64ColumnChunkWriter).WriteBatch)
	case *file.ByteArrayColumnChunkReader:
		return copyValues(from, r.ReadBatch, to.(*file.ByteArrayColumnChunkWriter).WriteBatch)
	case *file.FixedLenByteArrayColumnChunkReader:
		return copyValues(from, r.ReadBatch, to.(*file.FixedLenByteArrayColumnChunkWriter).WriteBatch)
	}
	return fmt.Errorf("%s has no form here", from.Type())
}

// copyLevels is how many levels are copied at a time.
const copyLevels = 16 << 10

func copyValues[T any](from file.ColumnChunkReader,
	read func(int64, []T, []int16, []int16) (int64, int, error), write func([]T, []int16, []int16) (int64, error)) error {
	vals := make([]T, copyLevels)
	def, rep := make([]int16, copyLevels), make([]int16, copyLevels)
	for from.HasNext() {
		n, k, err := read(copyLevels, vals, def, rep)
		if err != nil {
			return err
		}
		d, r := def[:n], rep[:n]
		if from.Descriptor().MaxDefinitionLevel() == 0 {
			d = nil
		}
		if from.Descriptor().MaxRepetitionLevel() == 0 {
			r = nil
		}
		if _, err := write(vals[:k], d, r); err != nil {
			return err
		}
	}
	return from.Err()
}
