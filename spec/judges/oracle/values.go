package main

import (
	"maps"
	"math"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

var pieces = map[string][]string{
	"plain":              {"n0", "flytesnacks", "development", "f7c2a9d81b5e4", "my.wf-task_1", "v1", "12", "true", "null", "a", "A B"},
	"quotes":             {`"`, `\`, `'`, "`", `\"`, `\\n`, `a"b\c`},
	"control characters": {"\x00", "\x01", "\b", "\t", "\n", "\v", "\f", "\r", "\x1b", "\x1f", "\x7f", "a\x00b", "\r\n"},
	"U+0080 to U+009F":   {"\u0080", "\u0085", "\u009f", "a\u0090b"},
	"U+2028 and beside":  {"\u2027", "\u2028", "\u2029", "\u202e", "\u200b", "\ufeff", "\u00ad", "\u00a0"},
	"wide characters":    {"é", "ß", "ÿ", "Ā", "ܐ", "漢字", "한", "👩‍🚀", "🇩🇪", "𝔘", "e\u0301", "\U0010fffd"},
	"noncharacters":      {"\ufffe", "\uffff", "\ufdd0", "\ufdef", "\U0001ffff", "\U0010ffff", "\ufffd", "\ue000"},
	"HTML":               {"<", ">", "&", "<a href=\"x\">", "&amp;", "</script>", "-->"},
	"percent":            {"%", "%2F", "%2f", "%zz", "%4", "%41", "%e9", "%00", "100%", "%25", "%3A", "%20", "+"},
	"colons and URLs": {":", "a:b", "1a:b", "Ab:c", "a+b-c.d:e", "://", "//host", "http://h:80/p", "mailto:x", "?", "?a b=é", "#", "#f ä!()*",
		"//u:p@h", "//[::1]:8", "//h:x", "/", "//", "///", "..", "./a:b", "*", "a/b:c", "[", "]", "@", ";", "~", "!", "(x)", "$&,=", "^", "{|}"},
	"white space around": {" ", "  a", "b ", "\u3000", "\u2003x"},
}

var classes = slices.Sorted(maps.Keys(pieces))

func (g *generator) string() string {
	if !g.chance(g.odd) {
		return pick(g, pieces["plain"]...)
	}
	var b strings.Builder
	for range pick(g, 1, 1, 2, 3, 5) {
		name := pick(g, g.classes...)
		if name == "wide characters" && g.chance(0.4) {
			b.WriteRune(g.rune())
		} else {
			b.WriteString(pick(g, pieces[name]...))
		}
		if name != "plain" {
			g.is(name)
		}
	}
	if g.chance(0.01) && !g.small {
		g.is("a long string")
		return strings.Repeat(b.String(), 1+g.IntN(200))
	}
	if g.chance(0.02) {
		return ""
	}
	return b.String()
}

// Any character: all lengths of UTF-8 as often.
func (g *generator) rune() rune {
	low := pick(g, 0, 0x80, 0x800, 0x10000)
	r := rune(low + g.IntN(map[int]int{0: 0x80, 0x80: 0x780, 0x800: 0xf800, 0x10000: 0x100000}[low]))
	if r >= 0xd800 && r < 0xe000 {
		r -= 0x800
	}
	return r
}

// Bits of an integer: small ones, edges, anything.
func (g *generator) bits() uint64 {
	return pick(g, 0, 1, 2, 7, 127, 128, 300, math.MaxInt32, math.MaxUint32, 1<<31, 1<<53, 1<<53+1, math.MaxInt64, 1<<63, math.MaxUint64,
		math.MaxUint64-1, g.Uint64(), g.Uint64()>>uint(g.IntN(64)))
}

func (g *generator) double() float64 {
	if g.chance(0.15) {
		g.is("infinities and NaN")
		return pick(g, math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(0xfff8000000000001))
	}
	g.is("doubles")
	return pick(g, 0, math.Copysign(0, -1), 1, -1, 0.1, 1.0/3, 1e20, 1e21, 9.99999999999999e20, 1e-6, 9.99e-7, 1e-7, -1e-10, 5e-324,
		math.MaxFloat64, -math.MaxFloat64, 1<<53, 1<<53+2, 123456789, 1e100, 2.5e-8, float64(int64(g.bits())),
		math.Float64frombits(g.Uint64()), g.NormFloat64(), math.Round(g.NormFloat64()*1000)/100)
}

func (g *generator) float() float32 {
	g.is("a float32")
	if g.chance(0.2) {
		return pick(g, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()))
	}
	return pick(g, float32(math.Copysign(0, -1)), 0.1, 0.5, 1, 1e-6, 9.9e-7, 1e-7, 1e20, 1e21, 9.9e20, 16777216, math.MaxFloat32, math.SmallestNonzeroFloat32,
		math.Float32frombits(g.Uint32()), float32(g.NormFloat64()))
}

func (g *generator) enum(f protoreflect.FieldDescriptor) protoreflect.Value {
	if g.chance(0.06) {
		g.is("an unknown enum number")
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(pick(g, int32(-1), 99, math.MaxInt32, math.MinInt32, int32(g.Uint32()))))
	}
	values := f.Enum().Values()
	return protoreflect.ValueOfEnum(values.Get(g.IntN(values.Len())).Number())
}

func (g *generator) scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(g.chance(0.7))
	case protoreflect.EnumKind:
		return g.enum(f)
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(g.bits()))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(g.bits()))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(g.bits()))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(g.bits())
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(g.float())
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(g.double())
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(pick(g, g.string(), "", "\xff", "\x00\x01", "\xfb\xff\xbf", "abc")))
	}
	return protoreflect.ValueOfString(g.string())
}

func (g *generator) timestamp(m protoreflect.Message) {
	const yearOne, lastYear = -62135596800, 253402300799
	seconds, nanos := g.Int64N(4e9), int64(0)
	switch p := g.Float64(); {
	case p < 0.1:
		g.is("before 1970")
		seconds = pick(g, -1, -86400, -g.Int64N(62135596800), -2208988800)
	case p < 0.2:
		g.is("about year 1")
		seconds = pick(g, int64(yearOne), yearOne, yearOne+1, yearOne-1, yearOne-86400*400, yearOne-86400*366*1000)
	case p < 0.28:
		g.is("after year 9999")
		seconds = pick(g, int64(lastYear), lastYear+1, lastYear+1+86400*366*1000, 1e13, 1e12)
	case p < 0.3:
		g.is("times out of all ranges")
		seconds = pick(g, int64(math.MaxInt64), math.MinInt64, 1<<62, -1<<62, 1e15, -1e15, int64(g.Uint64()))
	case p < 0.34:
		seconds = 0
	}
	switch {
	case g.chance(g.wrong):
		g.is("nanos out of range")
		nanos = pick(g, int64(-1), 1e9, math.MaxInt32, math.MinInt32)
	case g.chance(0.7):
		g.is("nanos")
		nanos = pick(g, int64(1), 10, 1000, 1e6, 1e8, 12e7, 5e8, 123456789, 999999999, 999999000, 999000000, g.Int64N(1e9))
	}
	m.Set(m.Descriptor().Fields().ByName("seconds"), protoreflect.ValueOfInt64(seconds))
	m.Set(m.Descriptor().Fields().ByName("nanos"), protoreflect.ValueOfInt32(int32(nanos)))
	g.addUnknown(m)
}

func (g *generator) duration(m protoreflect.Message) {
	g.is("a Duration")
	seconds, nanos := pick(g, int64(0), 1, 60, 3600, g.Int64N(1e6), 315576000000), pick(g, int64(0), 0, 1, 1000, 1e6, 5e8, 999999999, g.Int64N(1e9))
	if g.chance(0.4) {
		seconds, nanos = -seconds, -nanos
	}
	if g.chance(g.wrong) {
		g.is("a Duration out of range")
		seconds, nanos = pick(g, int64(1), -1, 315576000001, -315576000001, math.MaxInt64, math.MinInt64), pick(g, int64(-1), 1, 1e9, -1e9, math.MinInt32)
	}
	m.Set(m.Descriptor().Fields().ByName("seconds"), protoreflect.ValueOfInt64(seconds))
	m.Set(m.Descriptor().Fields().ByName("nanos"), protoreflect.ValueOfInt32(int32(nanos)))
}
