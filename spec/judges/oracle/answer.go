package main

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"sync"

	"google.golang.org/protobuf/proto"
)

// The members of a vector of spec/golden/flyteadmin.
type answer struct {
	Name       string           `json:"name"`
	Kind       string           `json:"kind"`
	About      string           `json:"about"`
	RequestB64 string           `json:"request_b64"`
	Refused    string           `json:"refused,omitempty"` // not a message: no client gets it in
	Styles     map[string]style `json:"styles,omitempty"`
}

type style struct {
	Data      string          `json:"data,omitempty"`
	Rejected  string          `json:"rejected,omitempty"`
	IDSpacing map[string]sent `json:"id_spacing,omitempty"`
}

type sent struct {
	Attributes *attributes `json:"attributes,omitempty"`
	SNS        *sns        `json:"sns,omitempty"`
	PubSub     *pubSub     `json:"pubsub,omitempty"`
	Kafka      *kafka      `json:"kafka,omitempty"`
	NATS       *nats       `json:"nats,omitempty"`
}

type attributes struct {
	ID              string            `json:"id"`
	Source          string            `json:"source"`
	SpecVersion     string            `json:"specversion"`
	Type            string            `json:"type"`
	DataContentType string            `json:"datacontenttype"`
	Time            string            `json:"time,omitempty"`
	Extensions      map[string]string `json:"extensions"`
}

// No message: base64 of the request.
type sns struct {
	Subject string `json:"subject"`
	Message string `json:"message,omitempty"`
}

// No data_b64: the bytes whose base64 is the message of SNS.
type pubSub struct {
	Attributes map[string]string `json:"attributes"`
	DataB64    string            `json:"data_b64,omitempty"`
}

// No value_b64: the style's data.
type kafka struct {
	Key         string           `json:"key,omitempty"`
	Headers     [][2]string      `json:"headers,omitempty"`
	ValueB64    string           `json:"value_b64,omitempty"`
	PartitionOf map[string]int32 `json:"partition_of,omitempty"`
	Dropped     string           `json:"dropped,omitempty"`
}

type nats struct {
	Subject string `json:"subject,omitempty"`
	Data    string `json:"data,omitempty"`
	Dropped string `json:"dropped,omitempty"`
}

func answerOne(seed uint64, n int, small bool, s *sinks) *answer {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, uint64(n))), small: small}
	kind, bytes := g.request()
	a := &answer{
		Name: fmt.Sprintf("seed-%d-request-%d", seed, n), Kind: kind.name, About: g.about(),
		RequestB64: base64.StdEncoding.EncodeToString(bytes),
	}
	msg := kind.new()
	if err := proto.Unmarshal(bytes, msg); err != nil {
		a.Refused = err.Error()
		return a
	}
	a.Styles = map[string]style{
		"flyteadmin":          versionOne(kind, msg, s),
		"flyteadmin-v2":       versionTwo(kind, msg, s),
		"flyteadmin-external": external(kind, msg, bytes, s),
	}
	return a
}

// Answers in the requests' order; each worker has sinks of its own.
func answerAll(seed uint64, from, count int, small bool, each func(*answer)) {
	const workers = 8
	done := make([]chan *answer, workers)
	var wg sync.WaitGroup
	for w := range workers {
		done[w] = make(chan *answer, 16)
		wg.Add(1)
		go func() {
			defer wg.Done()
			s := openSinks()
			for n := w; n < count; n += workers {
				done[w] <- answerOne(seed, from+n, small, s)
			}
		}()
	}
	for n := range count {
		each(<-done[n%workers])
	}
	wg.Wait()
}
