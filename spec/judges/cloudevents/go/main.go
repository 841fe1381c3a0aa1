// The CloudEvents SDK for Go at one end of the wire: it sends what standard input says, or says what comes.
//
//	send MODE URL                 binary, structured, protobuf, batch over HTTP
//	kafka-send MODE BROKER TOPIC  binary, structured
//	pubsub-send MODE PROJECT TOPIC
//	listen [CALLBACK]             an HTTP server: first its address, then each event
//	kafka-listen BROKER TOPIC N, nats-listen URL SUBJECT N, pubsub-listen PROJECT SUBSCRIPTION N
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/IBM/sarama"
	pbformat "github.com/cloudevents/sdk-go/binding/format/protobuf/v2"
	cekafka "github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	cenats "github.com/cloudevents/sdk-go/protocol/nats/v2"
	cepubsub "github.com/cloudevents/sdk-go/protocol/pubsub/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	ceclient "github.com/cloudevents/sdk-go/v2/client"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/cloudevents/sdk-go/v2/types"
)

// line is one event of standard input: data by its kind, "" for none.
type line struct {
	Attributes map[string]any `json:"attributes"`
	Kind       string         `json:"kind"`
	Text       string         `json:"text"`
	JSON       any            `json:"json"`
	Bytes      []byte         `json:"bytes"`
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (l line) event() cloudevents.Event {
	e := cloudevents.NewEvent()
	contentType := ""
	for name, value := range l.Attributes {
		text, _ := value.(string)
		switch name {
		case "id":
			e.SetID(text)
		case "source":
			e.SetSource(text)
		case "type":
			e.SetType(text)
		case "subject":
			e.SetSubject(text)
		case "dataschema":
			e.SetDataSchema(text)
		case "time":
			t, err := time.Parse(time.RFC3339Nano, text)
			must(err)
			e.SetTime(t)
		case "datacontenttype":
			contentType = text
		case "specversion":
		default:
			if number, ok := value.(float64); ok {
				value = int32(number)
			}
			e.SetExtension(name, value)
		}
	}
	switch l.Kind {
	case "json":
		must(e.SetData(contentType, l.JSON))
	case "text":
		must(e.SetData(contentType, l.Text))
	case "bytes":
		must(e.SetData(contentType, l.Bytes))
	}
	must(e.Validate())
	return e
}

func events() []cloudevents.Event {
	var every []cloudevents.Event
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<24)
	for in.Scan() {
		var l line
		must(json.Unmarshal(in.Bytes(), &l))
		every = append(every, l.event())
	}
	return every
}

func mode(name string) context.Context {
	ctx := context.Background()
	switch name {
	case "binary":
		return binding.WithForceBinary(ctx)
	case "protobuf":
		ctx = binding.UseFormatForEvent(ctx, pbformat.Protobuf)
	}
	return binding.WithForceStructured(ctx)
}

func send(ctx context.Context, c cloudevents.Client) {
	for _, e := range events() {
		if result := c.Send(ctx, e); !cloudevents.IsACK(result) {
			must(result)
		}
	}
}

func sendBatch(url string) {
	request, err := cehttp.NewHTTPRequestFromEvents(context.Background(), url, events())
	must(err)
	answer, err := http.DefaultClient.Do(request)
	must(err)
	if answer.StatusCode != http.StatusAccepted {
		must(errors.New(answer.Status))
	}
}

func print(e cloudevents.Event) {
	must(e.Validate())
	attributes := map[string]string{"id": e.ID(), "source": e.Source(), "type": e.Type(), "specversion": e.SpecVersion()}
	for name, value := range map[string]string{"subject": e.Subject(), "dataschema": e.DataSchema(), "datacontenttype": e.DataContentType()} {
		if value != "" {
			attributes[name] = value
		}
	}
	if !e.Time().IsZero() {
		attributes["time"] = e.Time().Format(time.RFC3339Nano)
	}
	for name, value := range e.Extensions() {
		text, err := types.Format(value)
		must(err)
		attributes[name] = text
	}
	out, err := json.Marshal(map[string]any{"attributes": attributes, "data": e.Data()})
	must(err)
	fmt.Println(string(out))
}

// serve takes what comes over HTTP; OPTIONS is the SDK's own answer to the handshake of a webhook.
func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println(listener.Addr())
	protocol, err := cehttp.New(cehttp.WithDefaultOptionsHandlerFunc([]string{http.MethodPost}, 1000, []string{"*"}, true))
	must(err)
	must(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodOptions {
			protocol.OptionsHandler(w, r)
			return
		}
		if cehttp.IsHTTPBatch(r.Header) {
			every, err := cehttp.NewEventsFromHTTPRequest(r)
			must(err)
			for _, e := range every {
				print(e)
			}
			return
		}
		e, err := cehttp.NewEventFromHTTPRequest(r)
		must(err)
		print(*e)
	})))
}

func receive(n string, protocol any) {
	left, err := strconv.Atoi(n)
	must(err)
	ctx, done := context.WithCancel(context.Background())
	c, err := ceclient.New(protocol, ceclient.WithPollGoroutines(1), ceclient.WithBlockingCallback())
	must(err)
	must(c.StartReceiver(ctx, func(e cloudevents.Event) {
		print(e)
		if left--; left == 0 {
			done()
		}
	}))
}

func kafka() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_6_0_0
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

func client(protocol any, err error) cloudevents.Client {
	must(err)
	c, err := cloudevents.NewClient(protocol)
	must(err)
	return c
}

func main() {
	ctx, args := context.Background(), os.Args[1:]
	switch args[0] {
	case "send":
		if args[1] == "batch" {
			sendBatch(args[2])
			return
		}
		send(mode(args[1]), client(cehttp.New(cehttp.WithTarget(args[2]))))
	case "kafka-send":
		sender, err := cekafka.NewSender([]string{args[2]}, kafkaSender(), args[3])
		send(mode(args[1]), client(sender, err))
		must(sender.Close(ctx))
	case "pubsub-send":
		send(mode(args[1]), client(cepubsub.New(ctx, cepubsub.WithProjectID(args[2]), cepubsub.WithTopicID(args[3]))))
	case "listen":
		serve()
	case "kafka-listen":
		consumer, err := cekafka.NewConsumer([]string{args[1]}, kafka(), "judge-"+args[2], args[2])
		must(err)
		receive(args[3], consumer)
	case "nats-listen":
		consumer, err := cenats.NewConsumer(args[1], args[2], cenats.NatsOptions())
		must(err)
		fmt.Println("listening")
		receive(args[3], consumer)
	case "pubsub-listen":
		protocol, err := cepubsub.New(ctx, cepubsub.WithProjectID(args[1]), cepubsub.WithSubscriptionID(args[2]))
		must(err)
		receive(args[3], protocol)
	}
}

func kafkaSender() *sarama.Config {
	config := kafka()
	config.Producer.Return.Successes = true
	return config
}
