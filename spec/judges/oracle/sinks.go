package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	pubsubpb "cloud.google.com/go/pubsub/apiv1/pubsubpb"
	gizmo "github.com/NYTimes/gizmo/pubsub"
	gizmoaws "github.com/NYTimes/gizmo/pubsub/aws"
	gizmogcp "github.com/NYTimes/gizmo/pubsub/gcp"
	"github.com/Shopify/sarama"
	pbcloudevents "github.com/cloudevents/sdk-go/binding/format/protobuf/v2"
	"github.com/cloudevents/sdk-go/protocol/kafka_sarama/v2"
	cenats "github.com/cloudevents/sdk-go/protocol/nats/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/client"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/protocol"
	oldproto "github.com/golang/protobuf/proto"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// Where messages end: servers of our own behind gizmo's publishers, a producer and a connection of
// our own behind the SDK's senders. One message at a time.
type sinks struct {
	aws, gcp    gizmo.Publisher
	snsForm     url.Values
	pubsubMsg   *pubsubpb.PubsubMessage
	kafka, nats client.Client
	kafkaMsg    *sarama.ProducerMessage
	natsMsg     []byte
	partitioner sarama.Partitioner
	pubsubpb.UnimplementedPublisherServer
}

// A time of sending that no event has; {now} stands for it.
var now = time.Date(1789, 7, 14, 12, 34, 56, 987654321, time.UTC)

func fillTime(_ context.Context, e event.Event) event.Event {
	if e.Time().IsZero() {
		e.SetTime(now)
	}
	return e
}

func openSinks() *sinks {
	s := &sinks{partitioner: sarama.NewHashPartitioner("t")}
	s.openSNS()
	s.openPubSub()
	sender, err := kafka_sarama.NewSenderFromSyncProducer("t", (*producer)(s))
	must(err)
	// The SDK's client with FlyteAdmin's defaults, but for the clock.
	s.kafka, err = client.New(sender, client.WithEventDefaulter(fillTime), client.WithUUIDs())
	must(err)
	s.nats, err = client.New((*conn)(s), client.WithEventDefaulter(fillTime), client.WithUUIDs())
	must(err)
	return s
}

const topicARN = "arn:aws:sns:us-east-2:123456:123-my-topic"

func (s *sinks) openSNS() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		must(r.ParseForm())
		s.snsForm = r.PostForm
		io.WriteString(w, `<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult>`+
			`<MessageId>m</MessageId></PublishResult></PublishResponse>`)
	}))
	conf := gizmoaws.SNSConfig{Topic: topicARN}
	conf.Region, conf.EndpointURL = "us-east-2", &server.URL
	conf.AccessKey, conf.SecretKey = "a", "s"
	var err error
	s.aws, err = gizmoaws.NewPublisher(conf)
	must(err)
}

func (s *sinks) Publish(_ context.Context, r *pubsubpb.PublishRequest) (*pubsubpb.PublishResponse, error) {
	if len(r.Messages) != 1 {
		return nil, fmt.Errorf("%d messages at once", len(r.Messages))
	}
	s.pubsubMsg = r.Messages[0]
	return &pubsubpb.PublishResponse{MessageIds: []string{"1"}}, nil
}

func (s *sinks) openPubSub() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := grpc.NewServer()
	pubsubpb.RegisterPublisherServer(server, s)
	go server.Serve(listener)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(err)
	conf := gizmogcp.Config{ProjectID: "p", Topic: "t"}
	conf.PublishSettings.CountThreshold = 1
	s.gcp, err = gizmogcp.NewPublisher(context.Background(), conf, option.WithGRPCConn(conn))
	must(err)
}

// producer takes what the Kafka binding gives to sarama.
type producer sinks

func (p *producer) SendMessage(m *sarama.ProducerMessage) (int32, int64, error) {
	p.kafkaMsg = m
	return 0, 0, nil
}
func (p *producer) SendMessages([]*sarama.ProducerMessage) error { return fmt.Errorf("not called") }
func (p *producer) Close() error                                 { return nil }

// conn does what the NATS sender does, which hands what it wrote to a connection.
type conn sinks

func (c *conn) Send(ctx context.Context, m binding.Message, t ...binding.Transformer) error {
	var out bytes.Buffer
	err := cenats.WriteMsg(ctx, m, &out, t...)
	c.natsMsg = out.Bytes()
	return err
}

var _ protocol.Sender = (*conn)(nil)

func (s *sinks) send(e event.Event, key string) sent {
	raw := inOrder(e)
	must(s.aws.PublishRaw(context.Background(), key, raw))
	must(s.gcp.PublishRaw(context.Background(), key, raw))
	out := sent{Attributes: attributesOf(e), Kafka: s.sendKafka(e), NATS: s.sendNATS(e)}
	out.SNS, out.PubSub = s.clouds(key)
	return out
}

// What both of gizmo's publishers sent; the bytes of Pub/Sub are those of SNS.
func (s *sinks) clouds(key string) (*sns, *pubSub) {
	if got := s.snsForm.Encode(); !strings.HasPrefix(got, "Action=Publish&Message=") || len(s.snsForm) != 5 ||
		s.snsForm.Get("TopicArn") != topicARN {
		must(fmt.Errorf("unexpected SNS request: %s", got))
	}
	a := &sns{s.snsForm.Get("Subject"), s.snsForm.Get("Message")}
	p := &pubSub{Attributes: s.pubsubMsg.Attributes}
	if base64.StdEncoding.EncodeToString(s.pubsubMsg.Data) != a.Message {
		p.DataB64 = base64.StdEncoding.EncodeToString(s.pubsubMsg.Data)
	}
	return a, p
}

func (s *sinks) sendMessage(m proto.Message, key string) []byte {
	must(s.aws.Publish(context.Background(), key, oldproto.MessageV1(m)))
	must(s.gcp.Publish(context.Background(), key, oldproto.MessageV1(m)))
	a, p := s.clouds(key)
	if a.Subject != key || p.Attributes["key"] != key || len(p.Attributes) != 1 {
		must(fmt.Errorf("unexpected key: %q, %q", a.Subject, p.Attributes))
	}
	raw, err := base64.StdEncoding.DecodeString(a.Message)
	must(err)
	return raw
}

// The protobuf event, marshalled until its attributes come in the order they come in most often.
func inOrder(e event.Event) []byte {
	want := "datacontenttype time jsonschemaurl"
	if e.Time().IsZero() {
		want = "datacontenttype jsonschemaurl"
	}
	for {
		raw, err := pbcloudevents.Protobuf.Marshal(&e)
		must(err)
		if attributeOrder(raw) == want {
			return raw
		}
	}
}

func attributeOrder(raw []byte) string {
	var names []string
	for len(raw) > 0 {
		num, typ, n := protowire.ConsumeTag(raw)
		raw = raw[n:]
		if num == 5 {
			entry, _ := protowire.ConsumeBytes(raw)
			_, _, n = protowire.ConsumeTag(entry)
			name, _ := protowire.ConsumeString(entry[n:])
			names = append(names, name)
		}
		raw = raw[protowire.ConsumeFieldValue(num, typ, raw):]
	}
	return strings.Join(names, " ")
}

func attributesOf(e event.Event) *attributes {
	a := &attributes{ID: e.ID(), Source: e.Source(), SpecVersion: e.SpecVersion(), Type: e.Type(),
		DataContentType: e.DataContentType(), Extensions: map[string]string{}}
	if !e.Time().IsZero() {
		a.Time = e.Time().Format(time.RFC3339Nano)
	}
	for name, value := range e.Extensions() {
		a.Extensions[name] = value.(string)
	}
	return a
}

func saysNow(text string) string {
	return strings.ReplaceAll(text, now.Format(time.RFC3339Nano), "{now}")
}

func (s *sinks) sendKafka(e event.Event) *kafka {
	ctx := kafka_sarama.WithMessageKey(context.Background(), sarama.StringEncoder(e.ID()))
	if err := s.kafka.Send(ctx, e); protocol.IsUndelivered(err) {
		return &kafka{Dropped: err.Error()}
	}
	key, err := s.kafkaMsg.Key.Encode()
	must(err)
	value, err := s.kafkaMsg.Value.Encode()
	must(err)
	k := &kafka{Key: string(key), PartitionOf: map[string]int32{}}
	if !bytes.Equal(value, e.Data()) {
		k.ValueB64 = base64.StdEncoding.EncodeToString(value)
	}
	for _, h := range s.kafkaMsg.Headers {
		k.Headers = append(k.Headers, [2]string{string(h.Key), saysNow(string(h.Value))})
	}
	for _, n := range []int32{3, 12, 50} {
		p, err := s.partitioner.Partition(s.kafkaMsg, n)
		must(err)
		k.PartitionOf[fmt.Sprint(n)] = p
	}
	return k
}

func (s *sinks) sendNATS(e event.Event) *nats {
	if err := s.nats.Send(context.Background(), e); protocol.IsUndelivered(err) {
		return &nats{Dropped: err.Error()}
	}
	return &nats{Subject: "flyte-events", Data: saysNow(string(s.natsMsg))}
}
