package decode

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/millrace/millrace/internal/decimal"
)

// order is the row of messages shop.Order, with a field of each kind.
type order struct {
	ID      int64             `proto:"id"`
	Small   int32             `proto:"small"`
	Zig     int64             `proto:"zig"`
	Zag     int32             `proto:"zag"`
	Fixed   uint64            `proto:"fixed"`
	Port    int64             `proto:"port"`
	Signed  int32             `proto:"signed"`
	Score   float64           `proto:"score"`
	Rate    float32           `proto:"rate"`
	Paid    bool              `proto:"paid"`
	User    string            `proto:"user"`
	Data    []byte            `proto:"data"`
	State   string            `proto:"state"`
	Code    int32             `proto:"code"`
	At      time.Time         `proto:"at,omitempty"`
	Until   *time.Time        `proto:"until"`
	Millis  time.Time         `proto:"millis" layout:"millis"`
	Price   decimal.Dec       `proto:"price" decimal:"18,2"`
	Note    *string           `proto:"note"`
	Count   *int32            `proto:"count"`
	Place   line              `proto:"place,omitempty"`
	Ship    *line             `proto:"ship"`
	Lines   []line            `proto:"lines"`
	Tags    []string          `proto:"tags"`
	Nums    []int32           `proto:"nums"`
	Flags   []bool            `proto:"flags"`
	Times   []time.Time       `proto:"times"`
	States  []string          `proto:"states"`
	Props   map[string]string `proto:"props"`
	Sizes   map[string]int64  `proto:"sizes"`
	Parts   map[string]line   `proto:"parts"`
	ByCard  *string           `proto:"card"`
	ByPlace *line             `proto:"voucher"`
	Points  *int64            `proto:"points"`
}

type line struct {
	Article string    `proto:"article"`
	Amount  *int64    `proto:"amount"`
	Inner   *deepLine `proto:"inner"`
}

type deepLine struct {
	A int64   `proto:"a"`
	L []int64 `proto:"l"`
}

// shopFiles is a descriptor set as protoc writes it: shop.proto and what it imports.
func shopFiles() []byte {
	type f = descriptorpb.FieldDescriptorProto
	one, many := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL, descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	num := int32(0)
	field := func(name string, typ descriptorpb.FieldDescriptorProto_Type, of string, label descriptorpb.FieldDescriptorProto_Label) *f {
		num++
		d := &f{Name: proto.String(name), Number: proto.Int32(num), Type: typ.Enum(), Label: label.Enum(), JsonName: proto.String(name)}
		if of != "" {
			d.TypeName = proto.String(of)
		}
		return d
	}
	const (
		i64, i32, s64, s32 = descriptorpb.FieldDescriptorProto_TYPE_INT64, descriptorpb.FieldDescriptorProto_TYPE_INT32, descriptorpb.FieldDescriptorProto_TYPE_SINT64, descriptorpb.FieldDescriptorProto_TYPE_SINT32
		f64, u32, sf32     = descriptorpb.FieldDescriptorProto_TYPE_FIXED64, descriptorpb.FieldDescriptorProto_TYPE_UINT32, descriptorpb.FieldDescriptorProto_TYPE_SFIXED32
		dbl, flt, boo, str = descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, descriptorpb.FieldDescriptorProto_TYPE_FLOAT, descriptorpb.FieldDescriptorProto_TYPE_BOOL, descriptorpb.FieldDescriptorProto_TYPE_STRING
		byt, enu, msg      = descriptorpb.FieldDescriptorProto_TYPE_BYTES, descriptorpb.FieldDescriptorProto_TYPE_ENUM, descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
		stamp, lin         = ".google.protobuf.Timestamp", ".shop.Line"
	)
	fields := []*f{
		field("id", i64, "", one), field("small", i32, "", one), field("zig", s64, "", one), field("zag", s32, "", one), field("fixed", f64, "", one), field("port", u32, "", one),
		field("signed", sf32, "", one), field("score", dbl, "", one), field("rate", flt, "", one), field("paid", boo, "", one), field("user", str, "", one), field("data", byt, "", one),
		field("state", enu, ".shop.State", one), field("code", enu, ".shop.State", one), field("at", msg, stamp, one), field("until", msg, stamp, one), field("millis", i64, "", one),
		field("price", str, "", one), field("note", str, "", one), field("count", i32, "", one), field("place", msg, lin, one), field("ship", msg, lin, one), field("lines", msg, lin, many),
		field("tags", str, "", many), field("nums", i32, "", many), field("flags", boo, "", many), field("times", msg, stamp, many), field("states", enu, ".shop.State", many),
		field("props", msg, ".shop.Order.PropsEntry", many), field("sizes", msg, ".shop.Order.SizesEntry", many), field("parts", msg, ".shop.Order.PartsEntry", many),
		field("card", str, "", one), field("voucher", msg, lin, one), field("points", i64, "", one), field("cash", i64, "", one), // the last one nobody reads
		field("unread", byt, "", one),
	}
	oneofs := []*descriptorpb.OneofDescriptorProto{{Name: proto.String("payment")}}
	for _, fd := range fields {
		switch fd.GetName() {
		case "card", "voucher", "points", "cash":
			fd.OneofIndex = proto.Int32(0)
		case "note", "count":
			fd.Proto3Optional, fd.OneofIndex = proto.Bool(true), proto.Int32(int32(len(oneofs)))
			oneofs = append(oneofs, &descriptorpb.OneofDescriptorProto{Name: proto.String("_" + fd.GetName())})
		}
	}
	fields[34].Number, num = proto.Int32(1000), 0 // cash, beyond the numbers that are found quickly
	entry := func(name string, val descriptorpb.FieldDescriptorProto_Type, of string) *descriptorpb.DescriptorProto {
		num = 0
		return &descriptorpb.DescriptorProto{
			Name: proto.String(name), Field: []*f{field("key", str, "", one), field("value", val, of, one)}, Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
		}
	}
	entries := []*descriptorpb.DescriptorProto{entry("PropsEntry", str, ""), entry("SizesEntry", i64, ""), entry("PartsEntry", msg, lin)}
	num = 0
	article, amount, inner := field("article", str, "", one), field("amount", i64, "", one), field("inner", msg, ".shop.Deep", one)
	amount.Proto3Optional, amount.OneofIndex = proto.Bool(true), proto.Int32(0)
	num = 0
	set := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto),
		{
			Name: proto.String("shop.proto"), Package: proto.String("shop"), Syntax: proto.String("proto3"), Dependency: []string{"google/protobuf/timestamp.proto"},
			MessageType: []*descriptorpb.DescriptorProto{
				{Name: proto.String("Order"), Field: fields, OneofDecl: oneofs, NestedType: entries},
				{Name: proto.String("Line"), Field: []*f{article, amount, inner}, OneofDecl: []*descriptorpb.OneofDescriptorProto{{Name: proto.String("_amount")}}},
				{Name: proto.String("Deep"), Field: []*f{field("a", i64, "", one), field("l", i64, "", many)}},
			},
			EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("State"), Value: []*descriptorpb.EnumValueDescriptorProto{
				{Name: proto.String("NEW"), Number: proto.Int32(0)}, {Name: proto.String("SENT"), Number: proto.Int32(1)}, {Name: proto.String("LOST"), Number: proto.Int32(-1)},
			}}},
		},
	}}
	data, err := proto.Marshal(set)
	if err != nil {
		panic(err)
	}
	return data
}

func orderMessage(t testing.TB) protoreflect.MessageDescriptor {
	md, err := messageIn(shopFiles(), "shop.Order")
	if err != nil {
		t.Fatal(err)
	}
	return md
}

// twin fills a struct from a message by reflection.
func twin(v reflect.Value, m protoreflect.Message) error {
	for i := range v.NumField() {
		o := parseTag(v.Type().Field(i), "proto")
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(o.name))
		to := v.Field(i)
		switch {
		case fd.IsList():
			list := m.Get(fd).List()
			for k := range list.Len() {
				e := reflect.New(to.Type().Elem()).Elem()
				if err := twinValue(e, fd, list.Get(k), o); err != nil {
					return err
				}
				to.Set(reflect.Append(to, e))
			}
		case fd.IsMap():
			var fault error
			m.Get(fd).Map().Range(func(key protoreflect.MapKey, val protoreflect.Value) bool {
				e := reflect.New(to.Type().Elem()).Elem()
				if fault = twinValue(e, fd.MapValue(), val, o); fault != nil {
					return false
				}
				if to.IsNil() {
					to.Set(reflect.MakeMap(to.Type()))
				}
				to.SetMapIndex(reflect.ValueOf(key.String()), e)
				return true
			})
			if fault != nil {
				return fault
			}
		case o.form.Digits > 0 && m.Get(fd).String() == "" && !fd.HasPresence(): // zero, as all that is not there
		case fd.HasPresence() && !m.Has(fd):
			if to.Kind() != reflect.Pointer && !o.optional {
				return fmt.Errorf("%s is missing", o.name)
			}
		default:
			if to.Kind() == reflect.Pointer {
				to.Set(reflect.New(to.Type().Elem()))
				to = to.Elem()
			}
			if err := twinValue(to, fd, m.Get(fd), o); err != nil {
				return err
			}
		}
	}
	return nil
}

func twinValue(to reflect.Value, fd protoreflect.FieldDescriptor, v protoreflect.Value, o options) error {
	switch to.Interface().(type) {
	case time.Time:
		if fd.Kind() != protoreflect.MessageKind {
			to.Set(reflect.ValueOf(time.UnixMilli(v.Int()).UTC()))
			if us := v.Int() * 1000; us/1000 != v.Int() {
				return fmt.Errorf("no time")
			}
			return nil
		}
		m := v.Message()
		ts := &timestamppb.Timestamp{Seconds: m.Get(m.Descriptor().Fields().ByNumber(1)).Int(), Nanos: int32(m.Get(m.Descriptor().Fields().ByNumber(2)).Int())}
		to.Set(reflect.ValueOf(ts.AsTime().Truncate(time.Microsecond)))
		return ts.CheckValid()
	case decimal.Dec:
		if !jsonNumber(v.String()) {
			return fmt.Errorf("%q is no number", v.String())
		}
		n, fit := o.form.Read(v.String())
		to.Set(reflect.ValueOf(decimal.Dec{Num: n}))
		if fit != decimal.Exact {
			return fmt.Errorf("%q does not fit", v.String())
		}
		return nil
	}
	switch fd.Kind() {
	case protoreflect.MessageKind:
		return twin(to, v.Message())
	case protoreflect.EnumKind:
		if to.Kind() != reflect.String {
			to.SetInt(int64(v.Enum()))
		} else if e := fd.Enum().Values().ByNumber(v.Enum()); e != nil {
			to.SetString(string(e.Name()))
		} else {
			to.SetString(strconv.Itoa(int(v.Enum())))
		}
	case protoreflect.BytesKind:
		if len(v.Bytes()) > 0 {
			to.SetBytes(v.Bytes())
		}
	case protoreflect.Uint32Kind, protoreflect.Fixed64Kind:
		if to.CanInt() {
			to.SetInt(int64(v.Uint()))
		} else {
			to.SetUint(v.Uint())
		}
	default:
		to.Set(reflect.ValueOf(v.Interface()).Convert(to.Type()))
	}
	return nil
}

// jsonNumber tells whether JSON would take a text as a number.
func jsonNumber(s string) bool {
	b := padded(s)
	end, _ := text{unsafe.Pointer(unsafe.SliceData(b)), len(b)}.number(0)
	return end > 0 && end == len(s)
}

// unmarshal is proto.Unmarshal, which panics at entries of maps whose key is not written as a key is.
func unmarshal(b []byte, m proto.Message) (err error, panics bool) {
	defer func() { panics = recover() != nil }()
	return proto.Unmarshal(b, m), false
}

// checkProto compares a decoder with dynamicpb on one message.
func checkProto(t *testing.T, md protoreflect.MessageDescriptor, d *ProtoDecoder, b []byte) bool {
	t.Helper()
	m := dynamicpb.NewMessage(md)
	var want, got order
	err, panics := unmarshal(b, m)
	if panics {
		d.Decode(bytes.Clone(b), unsafe.Pointer(&got))
		return false
	}
	if err == nil {
		err = twin(reflect.ValueOf(&want).Elem(), m)
	}
	why := ""
	if !d.Decode(bytes.Clone(b), unsafe.Pointer(&got)) {
		why = d.Reason()
	}
	if (err == nil) != (why == "") {
		t.Fatalf("%x:\n twin: %v\n ours: %q", b, err, why)
	}
	if err != nil {
		return false
	}
	same := cmp.Options{
		cmp.Comparer(func(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b }),
		cmp.Comparer(func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b }), // reflection changes signalling NaNs
		cmp.Comparer(func(a, b decimal.Dec) bool { return a == b }),
	}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Fatalf("%x: (-twin +ours)\n%s", b, diff)
	}
	return true
}

// someOrder is a message with random fields, in pieces: fields come twice, in any order, numbers packed and not, and now and then bytes are broken.
func someOrder(r *rand.Rand, md protoreflect.MessageDescriptor) []byte {
	var out []byte
	for range 1 + r.IntN(3) {
		m := dynamicpb.NewMessage(md)
		for i := range md.Fields().Len() {
			if r.IntN(3) == 0 {
				setField(r, m, md.Fields().Get(i), 3)
			}
		}
		b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			panic(err)
		}
		out = append(out, b...)
	}
	for range r.IntN(4) {
		out = protowire.AppendVarint(protowire.AppendTag(out, md.Fields().ByName("nums").Number(), protowire.VarintType), r.Uint64()>>r.IntN(64))
	}
	switch r.IntN(12) {
	case 0:
		out[r.IntN(len(out)+1)%max(len(out), 1)] ^= byte(1 << r.IntN(8))
	case 1:
		out = out[:r.IntN(len(out)+1)]
	case 2:
		out = protowire.AppendTag(out, protowire.Number(1+r.IntN(40)), protowire.Type(r.IntN(6)))
	}
	return out
}

func setField(r *rand.Rand, m protoreflect.Message, fd protoreflect.FieldDescriptor, depth int) {
	switch {
	case fd.IsMap():
		for range r.IntN(3) {
			key := protoreflect.ValueOfString([]string{"", "a", "é"}[r.IntN(3)]).MapKey()
			m.Mutable(fd).Map().Set(key, someValue(r, fd.MapValue(), func() protoreflect.Value { return m.Mutable(fd).Map().NewValue() }, depth))
		}
	case fd.IsList():
		for range r.IntN(4) {
			m.Mutable(fd).List().Append(someValue(r, fd, func() protoreflect.Value { return m.Mutable(fd).List().NewElement() }, depth))
		}
	default:
		m.Set(fd, someValue(r, fd, func() protoreflect.Value { return m.NewField(fd) }, depth))
	}
}

func someValue(r *rand.Rand, fd protoreflect.FieldDescriptor, fresh func() protoreflect.Value, depth int) protoreflect.Value {
	number := []int64{0, 1, -1, 7, math.MaxInt32, math.MinInt32, 1 << 40, math.MinInt64, 1_700_000_000_123}[r.IntN(9)]
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(r.IntN(2) == 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(r.IntN(4) - 1))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(number))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind:
		if fd.Name() == "millis" || fd.Name() == "seconds" {
			number = []int64{0, 1_700_000_000, -62135596800, 253402300799, 253402300800, math.MaxInt64}[min(r.IntN(40), 5)%6]
			if number == math.MaxInt64 && r.IntN(8) > 0 {
				number = 5
			}
		}
		return protoreflect.ValueOfInt64(number)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(number))
	case protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(number))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32([]float32{0, 1.5, float32(math.Inf(1)), float32(math.Copysign(0, -1))}[r.IntN(4)])
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64([]float64{0, 1.5, math.NaN(), math.Copysign(0, -1)}[r.IntN(4)])
	case protoreflect.StringKind:
		if fd.Name() == "price" {
			return protoreflect.ValueOfString([]string{"1.5", "-12.34", "1e3", "0.001", "x"}[min(r.IntN(40), 4)%5*(r.IntN(20)/16)])
		}
		return protoreflect.ValueOfString([]string{"", "a", "é", "some longer text"}[r.IntN(4)])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte{0, 255, 3}[:r.IntN(4)])
	}
	v := fresh()
	fields := fd.Message().Fields()
	for i := range fields.Len() {
		if depth > 0 && r.IntN(2) == 0 && (fields.Get(i).Name() != "nanos" || r.IntN(2) == 0) {
			setField(r, v.Message(), fields.Get(i), depth-1)
			if fields.Get(i).Name() == "nanos" {
				v.Message().Set(fields.Get(i), protoreflect.ValueOfInt32([]int32{0, 1999, 999_999_999, -1}[min(r.IntN(30), 29)*4/30]))
			}
		}
	}
	return v
}

func TestProtoAgreesWithTwin(t *testing.T) {
	md := orderMessage(t)
	p, err := Proto(reflect.TypeFor[order](), shopFiles(), "shop.Order")
	if err != nil {
		t.Fatal(err)
	}
	d, good := p.Decoder(), 0
	for seed := range uint64(5000) {
		if checkProto(t, md, d, someOrder(rand.New(rand.NewPCG(seed, 1)), md)) {
			good++
		}
	}
	if good < 500 || good > 4800 {
		t.Errorf("%d of 5000 messages are good: too many or too few", good)
	}
}

func FuzzProto(f *testing.F) {
	md := orderMessage(f)
	p, err := Proto(reflect.TypeFor[order](), shopFiles(), "shop.Order")
	if err != nil {
		f.Fatal(err)
	}
	for seed := range uint64(100) {
		f.Add(someOrder(rand.New(rand.NewPCG(seed, 2)), md))
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkProto(t, md, p.Decoder(), b) })
}

// Messages that Prometheus's library writes, from the description that its generated code has: proto2, with a oneof's forerunner, histograms and timestamps.
func TestProtoOfALibrary(t *testing.T) {
	type label struct{ Name, Value string }
	type gauge struct{ Value float64 }
	type metric struct {
		Label       []label
		Gauge       *gauge
		Counter     *gauge
		TimestampMs *time.Time `layout:"millis"`
	}
	type family struct {
		Name   string
		Help   *string
		Type   string
		Metric []metric
	}
	set, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{
		protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto), protodesc.ToFileDescriptorProto(dto.File_io_prometheus_client_metrics_proto),
	}})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Proto(reflect.TypeFor[family](), set, "io.prometheus.client.MetricFamily")
	if err != nil {
		t.Fatal(err)
	}
	data, err := proto.Marshal(&dto.MetricFamily{
		Name: proto.String("rows"), Type: dto.MetricType_GAUGE.Enum(),
		Metric: []*dto.Metric{{Label: []*dto.LabelPair{{Name: proto.String("sink"), Value: proto.String("out")}}, Gauge: &dto.Gauge{Value: proto.Float64(1.5)}, TimestampMs: proto.Int64(1_700_000_000_123)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	at := time.UnixMilli(1_700_000_000_123).UTC()
	want := family{Name: "rows", Type: "GAUGE", Metric: []metric{{Label: []label{{"sink", "out"}}, Gauge: &gauge{1.5}, TimestampMs: &at}}}
	var got family
	d := p.Decoder()
	if !d.Decode(data, unsafe.Pointer(&got)) {
		t.Fatal(d.Reason())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if data, err = proto.Marshal(&dto.MetricFamily{Name: proto.String("rows"), Metric: []*dto.Metric{{Gauge: &dto.Gauge{}}}, Type: dto.MetricType_GAUGE.Enum()}); err != nil {
		t.Fatal(err)
	}
	if d.Decode(data, unsafe.Pointer(new(family))) || d.Reason() != `column "metric.gauge.value": missing` {
		t.Error(d.Reason())
	}
}

func TestProtoRefusesTypes(t *testing.T) {
	type row struct {
		ID    int32   `proto:"id"`
		Small string  `proto:"small"`
		Usr   string  `proto:"usr"`
		Tags  string  `proto:"tags"`
		Nums  []int8  `proto:"nums"`
		Score *string `proto:"user"`
		Fixed int64   `proto:"fixed"`
		At    string  `proto:"at"`
		Lines []struct {
			Article int64 `proto:"article"`
		} `proto:"lines"`
		Props map[string]int64 `proto:"props"`
	}
	_, err := Proto(reflect.TypeFor[row](), shopFiles(), "shop.Order")
	for _, want := range []string{
		"row.id: int64 is not read into int32", "row.small: int32 is not read into string", `message shop.Order has no field "usr"; did you mean "user"?`, "row.tags: repeated string is not read into string",
		"row.nums[]: int32 is not read into int8", "row.user: absent and zero are one for a field that is not optional: read it into string", "row.fixed: fixed64 is not read into int64",
		"row.at: message is not read into string", "row.lines[].article: string is not read into int64", "row.props{}: string is not read into int64",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
	for _, c := range []struct {
		set  []byte
		name string
		want string
	}{
		{nil, "shop.Order", "protoc --include_imports --descriptor_set_out"}, {[]byte("{}"), "shop.Order", "no descriptor set"},
		{shopFiles(), "shop.Ordr", `did you mean "shop.Order"?`}, {shopFiles(), "shop.State", "has no message"},
	} {
		if _, err := Proto(reflect.TypeFor[line](), c.set, c.name); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
	}
	p, err := Proto(reflect.TypeFor[line](), shopFiles(), "shop.Line")
	if err != nil || p.Text() != "proto shop.Line {article:1:string>string amount:2:int64>int64? inner:3:message>{a:1:int64>int64 l:2:[]int64>int64}?}" {
		t.Errorf("%v %v", p.Text(), err)
	}
}

// Many pieces of one message, and many that take each other's place, cost what they have bytes.
func TestProtoInManyPieces(t *testing.T) {
	p, err := Proto(reflect.TypeFor[order](), shopFiles(), "shop.Order")
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	for range 200_000 {
		b = append(b, 22<<3|2&7) // a tag of two bytes follows
		b = protowire.AppendBytes(protowire.AppendTag(b[:len(b)-1], 22, protowire.BytesType), []byte{16, 1})
		b = protowire.AppendBytes(protowire.AppendTag(b, 33, protowire.BytesType), nil)
		b = protowire.AppendVarint(protowire.AppendTag(b, 34, protowire.VarintType), 1)
	}
	var got order
	if d := p.Decoder(); !d.Decode(b, unsafe.Pointer(&got)) || *got.Ship.Amount != 1 || got.ByPlace != nil || *got.Points != 1 {
		t.Error(d.Reason())
	}
}

// BenchmarkProto is a message of eight plain fields.
func BenchmarkProto(b *testing.B) {
	type plain struct {
		ID    int64     `proto:"id"`
		Small int32     `proto:"small"`
		Score float64   `proto:"score"`
		Paid  bool      `proto:"paid"`
		User  string    `proto:"user"`
		State string    `proto:"state"`
		At    time.Time `proto:"at"`
		Note  *string   `proto:"note"`
	}
	md := orderMessage(b)
	m := dynamicpb.NewMessage(md)
	set := func(name string, v any) { m.Set(md.Fields().ByName(protoreflect.Name(name)), protoreflect.ValueOf(v)) }
	set("id", int64(1234567))
	set("small", int32(12))
	set("score", 0.5)
	set("paid", true)
	set("user", "a user of the shop")
	set("state", protoreflect.EnumNumber(1))
	set("note", "at the back door")
	m.Mutable(md.Fields().ByName("at")).Message().Set(md.Fields().ByName("at").Message().Fields().ByNumber(1), protoreflect.ValueOfInt64(1_700_000_000))
	data, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	p, err := Proto(reflect.TypeFor[plain](), shopFiles(), "shop.Order")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("ours", func(b *testing.B) {
		d := p.Decoder()
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			var row plain
			if !d.Decode(data, unsafe.Pointer(&row)) {
				b.Fatal(d.Reason())
			}
		}
	})
	b.Run("dynamicpb", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if err := proto.Unmarshal(data, dynamicpb.NewMessage(md)); err != nil {
				b.Fatal(err)
			}
		}
	})
}
