package main

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	pb "cloud.google.com/go/pubsub/apiv1/pubsubpb"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// fault is what one call meets. Without a code the call goes on (after the delay).
type fault struct {
	Method     string  `json:"method"` // Publish where empty
	Code       string  `json:"code"`   // UNAVAILABLE
	Message    string  `json:"message"`
	Delay      float64 `json:"delay"`       // seconds before anything happens
	RetryAfter float64 `json:"retry_after"` // RetryInfo in the details, seconds
	Done       bool    `json:"done"`        // the call is carried out, and its answer lost
	Messages   int     `json:"messages"`    // of a stream: this many arrive first
	Containing string  `json:"containing"`  // only a Publish of which some message has this in its data
}

// rule is a fault of every Nth call of its method.
type rule struct {
	fault
	Every int      `json:"every"`
	Codes []string `json:"codes"` // one after the other
	seen  int
	hit   int
}

// call is the record of one.
type call struct {
	Method   string              `json:"method"`
	Name     string              `json:"name"` // of the topic or subscription
	Metadata map[string][]string `json:"metadata"`
	Code     string              `json:"code"`
	Messages []message           `json:"messages,omitempty"` // of Publish
	Sent     []string            `json:"sent,omitempty"`     // of StreamingPull: what the client said, as text
	Bytes    int                 `json:"bytes"`
	Ids      int                 `json:"ids"`      // of Acknowledge and ModifyAckDeadline
	Deadline int                 `json:"deadline"` // of ModifyAckDeadline, seconds
}

type message struct {
	Data        []byte            `json:"data"`
	Attributes  map[string]string `json:"attributes"`
	OrderingKey string            `json:"ordering_key"`
}

type judge struct {
	mu     sync.Mutex
	faults []fault
	rules  []rule
	token  string
	calls  []*call
	ids    map[string][]string // of the messages of a topic
	quiet  bool
}

func (j *judge) addFaults(f []fault) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults = append(j.faults, f...)
}

func (j *judge) setRules(r []rule) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.rules = r
}

func (j *judge) setToken(token string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.token = token
}

func (j *judge) forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.faults, j.rules, j.token = nil, nil, ""
}

func (j *judge) callsSince(since string) []call {
	n, _ := strconv.Atoi(since)
	j.mu.Lock()
	defer j.mu.Unlock()
	every := []call{}
	for ; n < len(j.calls); n++ {
		every = append(every, *j.calls[n])
	}
	return every
}

func (j *judge) idsOf(topic string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.ids[topic]...)
}

// published keeps the ids that a topic's messages got.
func (j *judge) published(req, answer interface{}) {
	r, isRequest := req.(*pb.PublishRequest)
	a, isAnswer := answer.(*pb.PublishResponse)
	if j.quiet || !isRequest || !isAnswer || a == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.ids == nil {
		j.ids = map[string][]string{}
	}
	j.ids[r.Topic] = append(j.ids[r.Topic], a.MessageIds...)
}

func methodOf(full string) string { return full[strings.LastIndexByte(full, '/')+1:] }

// meets says whether a call is meant. r: of a Publish.
func (f *fault) meets(method string, r *pb.PublishRequest) bool {
	if f.Method != method && (f.Method != "" || method != "Publish") {
		return false
	}
	if f.Containing == "" {
		return true
	}
	for _, m := range r.GetMessages() {
		if bytes.Contains(m.Data, []byte(f.Containing)) {
			return true
		}
	}
	return false
}

// next takes what a call of the method meets off the list, else asks the rules.
func (j *judge) next(method string, publish *pb.PublishRequest) fault {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, f := range j.faults {
		if f.meets(method, publish) {
			j.faults = append(j.faults[:i:i], j.faults[i+1:]...)
			return f
		}
	}
	for i := range j.rules {
		r := &j.rules[i]
		if !r.meets(method, publish) {
			continue
		}
		r.seen++
		if r.Every < 2 || r.seen%r.Every == 0 {
			f := r.fault
			if len(r.Codes) > 0 {
				f.Code = r.Codes[r.hit%len(r.Codes)]
			}
			r.hit++
			return f
		}
	}
	return fault{}
}

func (f *fault) wait(ctx context.Context) error {
	select {
	case <-time.After(time.Duration(f.Delay * float64(time.Second))):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fault) err() error {
	var code codes.Code
	if f.Code == "" {
		return nil
	}
	if code.UnmarshalJSON([]byte(strconv.Quote(f.Code))) != nil {
		return status.Error(codes.Unknown, "the test asks for the code "+f.Code)
	}
	text := f.Message
	if text == "" {
		text = "as the test wants it"
	}
	s := status.New(code, text)
	if f.RetryAfter > 0 {
		s, _ = s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Duration(f.RetryAfter * float64(time.Second)))})
	}
	return s.Err()
}

func (j *judge) allowed(ctx context.Context) error {
	j.mu.Lock()
	token := j.token
	j.mu.Unlock()
	md, _ := metadata.FromIncomingContext(ctx)
	got := strings.Join(md.Get("authorization"), ",")
	if token != "" && got != "Bearer "+token {
		return status.Error(codes.Unauthenticated, "Request had invalid authentication credentials.")
	}
	return nil
}

func (j *judge) record(ctx context.Context, method string) *call {
	md, _ := metadata.FromIncomingContext(ctx)
	c := &call{Method: method, Metadata: md}
	if !j.quiet {
		j.mu.Lock()
		j.calls = append(j.calls, c)
		j.mu.Unlock()
	}
	return c
}

func (j *judge) ended(c *call, err error) {
	j.mu.Lock()
	c.Code = status.Code(err).String()
	j.mu.Unlock()
}

func (j *judge) describe(c *call, req interface{}) {
	if j.quiet {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch r := req.(type) {
	case *pb.PublishRequest:
		c.Name, c.Bytes = r.Topic, proto.Size(r)
		for _, m := range r.Messages {
			c.Messages = append(c.Messages, message{m.Data, m.Attributes, m.OrderingKey})
		}
	case *pb.GetTopicRequest:
		c.Name = r.Topic
	case *pb.GetSubscriptionRequest:
		c.Name = r.Subscription
	case *pb.AcknowledgeRequest:
		c.Name, c.Ids, c.Bytes = r.Subscription, len(r.AckIds), proto.Size(r)
	case *pb.ModifyAckDeadlineRequest:
		c.Name, c.Ids, c.Bytes, c.Deadline = r.Subscription, len(r.AckIds), proto.Size(r), int(r.AckDeadlineSeconds)
	}
}

func (j *judge) unary(ctx context.Context, req interface{}, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer interface{}, err error) {
	method := methodOf(info.FullMethod)
	c := j.record(ctx, method)
	defer func() { j.ended(c, err) }()
	j.describe(c, req)
	if err := j.allowed(ctx); err != nil {
		return nil, err
	}
	publish, _ := req.(*pb.PublishRequest)
	f := j.next(method, publish)
	if err := f.wait(ctx); err != nil {
		return nil, err
	}
	if err := f.err(); err != nil && !f.Done {
		return nil, err
	}
	if publish != nil {
		if err := check(publish); err != nil {
			return nil, err
		}
	}
	answer, err = handler(ctx, req)
	j.published(req, answer)
	if told := f.err(); err == nil && told != nil {
		return nil, told
	}
	return answer, err
}

// check keeps the limits that the fake does not: cloud.google.com/pubsub/quotas, "Resource limits".
func check(r *pb.PublishRequest) error {
	bad := func(format string, a ...interface{}) error { return status.Errorf(codes.InvalidArgument, format, a...) }
	switch {
	case len(r.Messages) == 0:
		return bad("The value for message_count is too small: 0, the minimum is 1.")
	case len(r.Messages) > 1000:
		return bad("The value for message_count is too large: %d, the maximum is 1000.", len(r.Messages))
	case proto.Size(r) > 10000000:
		return bad("Request payload size exceeds the limit: 10000000 bytes.")
	}
	for i, m := range r.Messages {
		if len(m.Data) == 0 && len(m.Attributes) == 0 {
			return bad("Message %d is empty: each has data or at least one attribute.", i)
		}
		if m.OrderingKey != r.Messages[0].OrderingKey {
			return bad("All messages of a request have the same ordering key.")
		}
		if len(m.OrderingKey) > 1024 {
			return bad("The ordering key is %d bytes long, the maximum is 1024.", len(m.OrderingKey))
		}
		if len(m.Attributes) > 100 {
			return bad("Message %d has %d attributes, the maximum is 100.", i, len(m.Attributes))
		}
		for k, v := range m.Attributes {
			if len(k) == 0 || len(k) > 256 || strings.HasPrefix(k, "goog") || len(v) > 1024 {
				return bad("Message %d has an attribute that is too long: %.20q.", i, k)
			}
		}
	}
	return nil
}

// watched is a stream that the judge looks at.
type watched struct {
	grpc.ServerStream
	j    *judge
	c    *call
	f    fault
	over chan error
	mu   sync.Mutex
	left int
}

func (w *watched) RecvMsg(m interface{}) error {
	err := w.ServerStream.RecvMsg(m)
	if r, ok := m.(*pb.StreamingPullRequest); ok && err == nil {
		w.j.mu.Lock()
		if r.Subscription != "" {
			w.c.Name = r.Subscription
		}
		w.c.Sent = append(w.c.Sent, r.String())
		w.j.mu.Unlock()
	}
	return err
}

func (w *watched) SendMsg(m interface{}) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.f.err(); err != nil {
		if w.left == 0 {
			select {
			case w.over <- err:
			default:
			}
			return err
		}
		w.left--
	}
	return w.ServerStream.SendMsg(m)
}

func (j *judge) stream(srv interface{}, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	method := methodOf(info.FullMethod)
	c := j.record(ss.Context(), method)
	defer func() { j.ended(c, err) }()
	if err := j.allowed(ss.Context()); err != nil {
		return err
	}
	f := j.next(method, nil)
	if err := f.wait(ss.Context()); err != nil {
		return err
	}
	if err := f.err(); err != nil && f.Messages == 0 {
		return err
	}
	w := &watched{ServerStream: ss, j: j, c: c, f: f, left: f.Messages, over: make(chan error, 1)}
	ended := make(chan error, 1)
	go func() { ended <- handler(srv, w) }()
	select {
	case err = <-ended:
	case err = <-w.over:
	}
	return err
}
