// oracle prints what FlyteAdmin v1.16.8 sends for random event requests, a JSON line a request, in
// the form of spec/golden/flyteadmin (spec/golden/oracle/README.md). Only libraries that FlyteAdmin
// links speak here; what they are given is written from the facts in its wire format.
//
//	oracle [-seed N] [-count N] [-from N] [-small] [-keep BYTES]
//	oracle -spacing     1 or 2: the spaces between the fields of this executable's text form
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
)

// Protobuf's text form has one space or two between fields, by a hash of the executable's size and
// some of its bytes: so a copy with a few bytes more may have the other form, and is not changed
// otherwise. See run.
func spacing() int {
	return strings.Count((&core.WorkflowExecutionIdentifier{Project: "p", Domain: "d"}).String(), " ")
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "oracle:", err)
		os.Exit(1)
	}
}

func main() {
	seed := flag.Uint64("seed", 1, "of the requests")
	count := flag.Int("count", 10000, "how many requests")
	from := flag.Int("from", 0, "the first one's number")
	small := flag.Bool("small", false, "small requests only, for files that are kept")
	bytes := flag.Int("keep", 0, "print only some of the answers: examples of each rule, of so many bytes")
	tell := flag.Bool("spacing", false, "print this executable's spacing")
	flag.Parse()
	if *tell {
		fmt.Println(spacing())
		return
	}
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	every := max(*count/20, 1)
	n := 0
	var all []*answer
	answerAll(*seed, *from, *count, *small, func(a *answer) {
		if *bytes > 0 {
			all = append(all, a)
		} else {
			must(lines.Encode(a))
		}
		if n++; n%every == 0 {
			fmt.Fprintf(os.Stderr, "oracle: spacing %d: %d of %d requests answered\n", spacing(), n, *count)
		}
	})
	for _, a := range keep(all, *bytes) {
		must(lines.Encode(a))
	}
	must(out.Flush())
}
