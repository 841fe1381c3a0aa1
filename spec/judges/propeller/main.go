// propeller is FlytePropeller's own event sink, told by its standard input what to send. Each line is an
// event, {"kind": "workflow" | "node" | "task", "event": BASE64 of the bare protobuf event}; each is
// answered in its turn with a line {"code": …, "error": …}: the sink's own word for what became of it,
// "" if it was taken. Everything else is as in FlytePropeller: its client, its retries, its rate limit, its
// memory of what was sent, its way to a token.
//
//	propeller -endpoint HOST:PORT [-ca FILE] [-secret FILE] [-rate N] [-capacity N] [-workers N]
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"sync"

	"github.com/golang/protobuf/proto"

	"github.com/flyteorg/flyte/flyteidl/clients/go/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/event"
	"github.com/flyteorg/flyte/flytepropeller/events"
	sinkerrors "github.com/flyteorg/flyte/flytepropeller/events/errors"
	"github.com/flyteorg/flyte/flytestdlib/config"
	"github.com/flyteorg/flyte/flytestdlib/promutils"
)

type asked struct {
	Kind  string `json:"kind"`
	Event []byte `json:"event"`
}

type answer struct {
	Code  string `json:"code"`
	Error string `json:"error"`
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "propeller:", err)
		os.Exit(1)
	}
}

func client(ctx context.Context, endpoint, ca, secret string) {
	cfg := admin.GetConfig(ctx)
	cfg.Endpoint = config.URL{URL: url.URL{Scheme: "dns", Path: "/" + endpoint}}
	cfg.UseInsecureConnection = ca == ""
	cfg.CACertFilePath = ca
	cfg.ClientSecretLocation = secret
}

func (a asked) message() (proto.Message, error) {
	var m proto.Message
	switch a.Kind {
	case "workflow":
		m = &event.WorkflowExecutionEvent{}
	case "node":
		m = &event.NodeExecutionEvent{}
	case "task":
		m = &event.TaskExecutionEvent{}
	default:
		return nil, fmt.Errorf("no kind %q", a.Kind)
	}
	return m, proto.Unmarshal(a.Event, m)
}

func sent(ctx context.Context, sink events.EventSink, line []byte) answer {
	var a asked
	must(json.Unmarshal(line, &a))
	m, err := a.message()
	must(err)
	err = sink.Sink(ctx, m)
	if err == nil {
		return answer{}
	}
	var known *sinkerrors.EventError
	if errors.As(err, &known) {
		return answer{Code: string(known.Code), Error: err.Error()}
	}
	return answer{Code: "other", Error: err.Error()}
}

// Lines are taken by `workers`, as FlytePropeller's workers share one sink; answers keep the lines' order.
func serve(ctx context.Context, sink events.EventSink, workers int) {
	turns := make(chan chan answer, workers)
	var printed sync.WaitGroup
	printed.Add(1)
	go func() {
		defer printed.Done()
		out := json.NewEncoder(os.Stdout)
		for turn := range turns {
			must(out.Encode(<-turn))
		}
	}()
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 64<<20)
	room := make(chan struct{}, workers)
	for in.Scan() {
		line, turn := append([]byte(nil), in.Bytes()...), make(chan answer, 1)
		room <- struct{}{}
		go func() {
			turn <- sent(ctx, sink, line)
			<-room
		}()
		turns <- turn
	}
	must(in.Err())
	close(turns)
	printed.Wait()
}

func main() {
	endpoint := flag.String("endpoint", "", "the gateway")
	ca := flag.String("ca", "", "of the gateway's certificate; without: no TLS")
	secret := flag.String("secret", "", "the file with the client's secret, for a token")
	rate := flag.Int64("rate", 500, "events a second")
	capacity := flag.Int("capacity", 1000, "and at once")
	workers := flag.Int("workers", 1, "that share the sink")
	flag.Parse()
	ctx := context.Background()
	client(ctx, *endpoint, *ca, *secret)
	cfg := events.GetConfig(ctx)
	cfg.Rate, cfg.Capacity = *rate, *capacity
	sink, err := events.ConstructEventSink(ctx, cfg, promutils.NewTestScope())
	must(err)
	serve(ctx, sink, *workers)
	must(sink.Close())
}
