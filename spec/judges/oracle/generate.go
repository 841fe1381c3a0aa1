package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// generator makes one request, over the descriptors: what is usual now and then, mostly what is odd.
type generator struct {
	*rand.Rand
	small   bool
	density float64 // how many of the fields are set
	odd     float64 // how many strings are odd
	classes []string
	unknown float64 // how many messages have fields that the schema has not
	wrong   float64 // how many times, durations and Values are ones that jsonpb refuses
	budget  int     // messages still to be made
	deepest int
	rules   map[string]bool
}

func (g *generator) chance(p float64) bool { return g.Float64() < p }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

func (g *generator) is(rule string) { g.rules[rule] = true }

func (g *generator) about() string {
	var names []string
	for name := range g.rules {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

func (g *generator) request() (*kind, []byte) {
	k := pick(g, kinds...)
	g.rules = map[string]bool{}
	g.density = pick(g, 0, 0.1, 0.3, 0.5, 0.8, 1)
	g.odd = pick(g, 0.1, 0.5, 0.9)
	g.classes = classes
	if g.chance(0.7) {
		at := g.IntN(len(classes))
		g.classes = classes[at:min(at+pick(g, 1, 1, 2, 3), len(classes))]
	}
	g.unknown = pick(g, 0, 0, 0, 0.05, 0.5)
	if g.chance(0.06) {
		g.wrong = 0.3
	}
	g.budget = pick(g, 8, 20, 60, 300)
	if g.small {
		g.budget = pick(g, 6, 10, 14)
	}
	g.deepest = pick(g, 4, 8, 12)
	if g.chance(0.03) {
		g.deepest = 24
	}
	m := k.new()
	g.fillRequest(m.ProtoReflect())
	if g.chance(0.3) {
		g.reach(m.ProtoReflect())
	}
	return k, g.mutate(k, encode(m))
}

// The same bytes in every run.
func encode(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	must(err)
	return b
}

// What ids and sources are made of is nearly always there.
func (g *generator) fillRequest(m protoreflect.Message) {
	g.fill(m, 0)
	if g.chance(0.02) {
		return
	}
	event := m.Mutable(m.Descriptor().Fields().ByName("event")).Message()
	for _, name := range []protoreflect.Name{"execution_id", "id", "task_id", "parent_node_execution_id", "occurred_at", "phase"} {
		if f := event.Descriptor().Fields().ByName(name); f != nil && g.chance(0.93) {
			switch {
			case f.Kind() == protoreflect.EnumKind:
				event.Set(f, g.enum(f))
			default:
				g.fillID(event.Mutable(f).Message())
			}
		}
	}
	if g.chance(0.004) {
		g.bigError(event)
	}
}

func (g *generator) fillID(m protoreflect.Message) {
	if m.Descriptor().FullName() == "google.protobuf.Timestamp" {
		g.timestamp(m)
		return
	}
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		switch {
		case !g.chance(0.9) || f.Name() == "org" && g.chance(0.8):
		case f.Kind() == protoreflect.MessageKind:
			g.fillID(m.Mutable(f).Message())
		default:
			m.Set(f, g.scalar(f))
		}
	}
	g.addUnknown(m)
}

// Sets one message of a kind picked among all that a request can hold, so that each of them comes
// as often, and what it lies in.
func (g *generator) reach(m protoreflect.Message) {
	paths := pathsFrom(m.Descriptor())
	for _, f := range paths[g.IntN(len(paths))] {
		switch {
		case f.IsMap():
			v := m.Mutable(f).Map().NewValue()
			m.Mutable(f).Map().Set(g.scalar(f.MapKey()).MapKey(), v)
			m = v.Message()
		case f.IsList():
			m = m.Mutable(f).List().AppendMutable().Message()
		default:
			m = m.Mutable(f).Message()
		}
	}
	g.is("a " + string(m.Descriptor().Name()) + " somewhere")
	g.density, g.budget = math.Max(g.density, 0.5), g.budget+4
	g.fill(m, g.deepest-1)
}

// The shortest way to every kind of message, as fields.
func pathsFrom(d protoreflect.MessageDescriptor) (paths [][]protoreflect.FieldDescriptor) {
	seen := map[protoreflect.FullName]bool{d.FullName(): true}
	type place struct {
		at   protoreflect.MessageDescriptor
		path []protoreflect.FieldDescriptor
	}
	for todo := []place{{at: d}}; len(todo) > 0; todo = todo[1:] {
		for i := range todo[0].at.Fields().Len() {
			f := todo[0].at.Fields().Get(i)
			to := f.Message()
			if f.IsMap() {
				to = f.MapValue().Message()
			}
			if to == nil || seen[to.FullName()] {
				continue
			}
			seen[to.FullName()] = true
			path := append(slices.Clone(todo[0].path), f)
			paths = append(paths, path)
			todo = append(todo, place{to, path})
		}
	}
	return paths
}

func (g *generator) bigError(event protoreflect.Message) {
	g.is("an error of 64 KiB")
	e := event.Mutable(event.Descriptor().Fields().ByName("error")).Message()
	text := g.string() + " "
	text = cut(strings.Repeat(text, 65536/len(text)+1), 65536)
	e.Set(e.Descriptor().Fields().ByName("message"), protoreflect.ValueOfString(text))
}

// At most n bytes, whole characters.
func cut(s string, n int) string {
	for n > 0 && n < len(s) && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:min(n, len(s))]
}

func (g *generator) fill(m protoreflect.Message, depth int) {
	g.budget--
	switch m.Descriptor().FullName() {
	case "google.protobuf.Timestamp":
		g.timestamp(m)
		return
	case "google.protobuf.Duration":
		g.duration(m)
		return
	case "google.protobuf.Value":
		g.value(m, depth)
		return
	}
	fields, chosen := m.Descriptor().Fields(), map[protoreflect.FullName]int{}
	for i := range fields.Len() {
		f := fields.Get(i)
		if o := f.ContainingOneof(); o != nil {
			if _, ok := chosen[o.FullName()]; !ok {
				chosen[o.FullName()] = g.IntN(o.Fields().Len())
			}
			if o.Fields().Get(chosen[o.FullName()]) != f || !g.chance(math.Max(g.density, 0.3)) {
				continue
			}
			g.field(m, f, depth)
		} else if g.chance(g.density) {
			g.field(m, f, depth)
		}
	}
	g.addUnknown(m)
}

func (g *generator) field(m protoreflect.Message, f protoreflect.FieldDescriptor, depth int) {
	isMessage := f.Kind() == protoreflect.MessageKind || f.IsMap()
	switch {
	case isMessage && (g.budget <= 0 || depth >= g.deepest):
		if !f.IsMap() && !f.IsList() && g.chance(0.5) {
			m.Mutable(f)
		}
	case f.IsMap():
		g.fillMap(m.Mutable(f).Map(), f, depth)
	case f.IsList():
		list := m.Mutable(f).List()
		for range pick(g, 1, 1, 2, 3) {
			if f.Kind() == protoreflect.MessageKind {
				g.fill(list.AppendMutable().Message(), depth+1)
			} else {
				list.Append(g.scalar(f))
			}
		}
	case f.Kind() == protoreflect.MessageKind:
		if g.chance(0.1) {
			g.is("a message set but empty")
			m.Mutable(f)
		} else {
			g.fill(m.Mutable(f).Message(), depth+1)
		}
	case f.ContainingOneof() != nil && g.chance(0.3):
		g.is("a oneof of a default value")
		m.Set(f, f.Default())
	default:
		m.Set(f, g.scalar(f))
	}
}

func (g *generator) fillMap(entries protoreflect.Map, f protoreflect.FieldDescriptor, depth int) {
	n := pick(g, 1, 1, 2, 3, 5)
	if g.chance(0.02) && !g.small {
		g.is("a map of many keys")
		n = 20 + g.IntN(80)
	}
	for range n {
		key := g.scalar(f.MapKey()).MapKey()
		if f.MapValue().Kind() == protoreflect.MessageKind {
			v := entries.NewValue()
			if g.budget > 0 || f.MapValue().Message().FullName() == "google.protobuf.Value" {
				g.fill(v.Message(), depth+1)
			}
			entries.Set(key, v)
		} else {
			entries.Set(key, g.scalar(f.MapValue()))
		}
	}
}

func (g *generator) value(m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	if g.chance(g.wrong) {
		g.is("a Value without a kind")
		return
	}
	f := fields.Get(g.IntN(fields.Len()))
	if f.Kind() == protoreflect.MessageKind && (g.budget <= 0 || depth >= g.deepest) {
		f = fields.ByName("number_value")
	}
	if f.Kind() == protoreflect.MessageKind {
		g.fill(m.Mutable(f).Message(), depth+1)
	} else {
		m.Set(f, g.scalar(f))
	}
}

// Field numbers the schema has not, and ones it has with another wire type.
func (g *generator) addUnknown(m protoreflect.Message) {
	if !g.chance(g.unknown) {
		return
	}
	g.is("unknown fields")
	var b []byte
	for range pick(g, 1, 1, 2, 4) {
		b = g.unknownField(b, m.Descriptor(), 0)
	}
	m.SetUnknown(append(m.GetUnknown(), b...))
}

func (g *generator) unknownField(b []byte, d protoreflect.MessageDescriptor, depth int) []byte {
	num := protowire.Number(pick(g, 99, 100, 1000, 18999, 20000, 536870911, 2+g.Int32N(3000)))
	typ := pick(g, protowire.VarintType, protowire.Fixed32Type, protowire.Fixed64Type, protowire.BytesType, protowire.StartGroupType)
	if d != nil && d.Fields().Len() > 0 && g.chance(0.2) {
		f := d.Fields().Get(g.IntN(d.Fields().Len()))
		num, typ = f.Number(), protowire.Fixed64Type
		if f.Kind() == protoreflect.DoubleKind {
			typ = protowire.VarintType
		}
		g.is("a field of another wire type")
	} else if d != nil && d.Fields().ByNumber(num) != nil {
		num = 999
	}
	b = protowire.AppendTag(b, num, typ)
	switch typ {
	case protowire.VarintType:
		return protowire.AppendVarint(b, g.bits())
	case protowire.Fixed32Type:
		return protowire.AppendFixed32(b, uint32(g.bits()))
	case protowire.Fixed64Type:
		return protowire.AppendFixed64(b, g.bits())
	case protowire.BytesType:
		return protowire.AppendString(b, pick(g, g.string(), "\xff\xfe\x00\x80", "x\"y\\", ""))
	}
	for range pick(g, 0, 1, 2) {
		if depth < 4 {
			b = g.unknownField(b, nil, depth+1)
		}
	}
	return protowire.AppendTag(b, num, protowire.EndGroupType)
}

// mutate makes bytes that no encoder would: two messages in a row are one merged; cut and changed
// ones are often no message, or have strings that are not UTF-8.
func (g *generator) mutate(k *kind, b []byte) []byte {
	switch p := g.Float64(); {
	case p < 0.05:
		g.is("two encodings merged")
		again := k.new()
		g.fillRequest(again.ProtoReflect())
		return append(b, encode(again)...)
	case p < 0.06 && len(b) > 0:
		g.is("cut")
		return b[:g.IntN(len(b))]
	case p < 0.09 && len(b) > 0:
		g.is("a byte changed")
		b[g.IntN(len(b))] = byte(pick(g, g.IntN(256), 0xff, 0x80, 0xc0, 0x00))
	}
	return b
}
