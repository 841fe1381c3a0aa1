package main

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"
)

// What is kept in spec/golden/oracle for `make test`: answers to small requests, cut down to version
// 1 or 2, so few that the file stays small and so many that each rule comes several times.
type kept struct {
	answer   *answer
	features []string
	size     int
}

const bigError = "an error of 64 KiB"

func cutDown(a *answer, version string) kept {
	b := *a
	b.Styles = map[string]style{}
	for name, s := range a.Styles {
		if name == version || !strings.Contains(a.About, bigError) && name == "flyteadmin-external" {
			b.Styles[name] = s
		}
	}
	// Half a megabyte says no more than a quarter.
	if s := b.Styles[version].IDSpacing; s != nil && strings.Contains(a.About, bigError) {
		for spacing, what := range s {
			if spacing == "1" {
				what.NATS = nil
			} else {
				what.SNS, what.PubSub = nil, nil
			}
			b.Styles[version] = style{Data: b.Styles[version].Data, IDSpacing: map[string]sent{spacing: what}}
		}
	}
	line, err := json.Marshal(b)
	must(err)
	return kept{&b, features(&b, version), len(line)}
}

// What the answer is an example of.
func features(a *answer, version string) []string {
	var out []string
	if strings.Contains(a.About, bigError) {
		return []string{version + " " + bigError}
	}
	for _, rule := range strings.Split(a.About, ", ") {
		out = append(out, version+" "+rule, a.Kind+" "+rule)
	}
	if a.Refused != "" {
		return append(out, "refused: "+a.Refused)
	}
	s := a.Styles[version]
	if s.Rejected != "" {
		return append(out, version+" rejected: "+s.Rejected)
	}
	for _, sent := range s.IDSpacing {
		out = append(out, a.Kind+" phase "+sent.Attributes.ID[strings.LastIndexByte(sent.Attributes.ID, '.')+1:])
		if sent.Kafka.Dropped != "" {
			out = append(out, version+" dropped")
		}
		if sent.Attributes.Time == "" {
			out = append(out, version+" no time")
		}
		if strings.HasPrefix(sent.Attributes.ID, "<nil>") {
			out = append(out, version+" nothing to make an id of")
		}
		for _, sign := range []string{"%", "?", "#", "//", ":", "é", "[", "@"} {
			if version == "flyteadmin-v2" && strings.Contains(sent.Attributes.Source, sign) {
				out = append(out, "source with "+sign)
			}
		}
		if strings.ContainsFunc(sent.Attributes.Source, illegal) {
			out = append(out, "source that is no legal attribute")
		}
	}
	return out
}

// What CloudEvents does not want in an attribute.
func illegal(r rune) bool {
	return unicode.Is(unicode.Cc, r) || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef
}

// The smallest examples of each feature, the rarest ones first.
func keep(answers []*answer, bytes int) (out []*answer) {
	of := map[string][]kept{}
	for _, a := range answers {
		for _, version := range []string{"flyteadmin", "flyteadmin-v2"} {
			k := cutDown(a, version)
			for _, f := range k.features {
				of[f] = append(of[f], k)
			}
		}
	}
	names := make([]string, 0, len(of))
	for f := range of {
		names = append(names, f)
		slices.SortStableFunc(of[f], func(a, b kept) int { return a.size - b.size })
	}
	slices.SortFunc(names, func(a, b string) int {
		return (len(of[a])-len(of[b]))*1000 + strings.Compare(a, b)
	})
	chosen, have := map[string]bool{}, map[string]int{}
	take := func(from []kept, enough func() bool) {
		for _, k := range from {
			if !enough() && !chosen[k.answer.Name] && k.size <= bytes {
				chosen[k.answer.Name], bytes, out = true, bytes-k.size, append(out, k.answer)
				for _, f := range k.features {
					have[f]++
				}
			}
		}
	}
	for times := 1; times <= 4; times++ {
		for _, f := range names {
			if !strings.HasSuffix(f, bigError) || f == "flyteadmin "+bigError && times == 1 {
				take(of[f], func() bool { return have[f] >= times })
			}
		}
	}
	return out
}
