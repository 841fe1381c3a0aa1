// A Pub/Sub server for tests: Google's own fake (pstest) behind interceptors that keep the real service's limits and do
// what the test says, over HTTP on a port of its own (see pubsub.py). Prints one line when both listen,
//
//	GRPC-ADDRESS CONTROL-ADDRESS [TLS-ADDRESS]
//
// and ends when its standard input does.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	pb "cloud.google.com/go/pubsub/apiv1/pubsubpb"
	"cloud.google.com/go/pubsub/pstest"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

const maxReceived = 64 << 20 // beyond the service's own limits, which the judge tells of

// door is one port, which can be closed and opened again; what was published stays.
type door struct {
	mu      sync.Mutex
	address string
	server  *grpc.Server
	make    func() *grpc.Server
}

// listen takes a port below those that the kernel gives to whoever connects or listens: while the door is closed nobody gets it.
func (d *door) listen() (net.Listener, error) {
	if d.address != "" {
		return net.Listen("tcp", d.address)
	}
	for tries := 0; ; tries++ {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 10000+rand.Intn(22768)))
		if err == nil || tries == 100 {
			return listener, err
		}
	}
}

func (d *door) open() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server != nil {
		return nil
	}
	listener, err := d.listen()
	if err != nil {
		return err
	}
	d.address = listener.Addr().String()
	d.server = d.make()
	go d.server.Serve(listener)
	return nil
}

// close breaks every connection, or says goodbye (GOAWAY) and lets what runs end.
func (d *door) close(gracefully bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.server == nil {
		return
	}
	if gracefully {
		d.server.GracefulStop()
	} else {
		d.server.Stop()
	}
	d.server = nil
}

func newDoor(j *judge, fake *pstest.Server, more ...grpc.ServerOption) *door {
	return &door{make: func() *grpc.Server {
		s := grpc.NewServer(append(more, grpc.MaxRecvMsgSize(maxReceived), grpc.MaxSendMsgSize(maxReceived),
			grpc.UnaryInterceptor(j.unary), grpc.StreamInterceptor(j.stream))...)
		pb.RegisterPublisherServer(s, &fake.GServer)
		pb.RegisterSubscriberServer(s, &fake.GServer)
		return s
	}}
}

// read fills v from a request's body.
func read(w http.ResponseWriter, r *http.Request, v interface{}) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

// left counts the messages of a topic that nobody has acknowledged.
func left(j *judge, fake *pstest.Server, topic string) int {
	n := 0
	for _, id := range j.idsOf(topic) {
		if m := fake.Message(id); m != nil && m.Acks == 0 {
			n++
		}
	}
	return n
}

func control(j *judge, fake *pstest.Server, doors []*door) http.Handler {
	var moved time.Duration
	mux := http.NewServeMux()
	mux.HandleFunc("/clock", func(w http.ResponseWriter, r *http.Request) {
		var seconds int
		if read(w, r, &seconds) {
			moved += time.Duration(seconds) * time.Second
			now := moved
			fake.SetTimeNowFunc(func() time.Time { return time.Now().Add(now) })
		}
	})
	mux.HandleFunc("/left", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(left(j, fake, r.URL.Query().Get("topic")))
	})
	mux.HandleFunc("/faults", func(w http.ResponseWriter, r *http.Request) {
		var faults []fault
		if read(w, r, &faults) {
			j.addFaults(faults)
		}
	})
	mux.HandleFunc("/always", func(w http.ResponseWriter, r *http.Request) {
		var rules []rule
		if read(w, r, &rules) {
			j.setRules(rules)
		}
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		var token string
		if read(w, r, &token) {
			j.setToken(token)
		}
	})
	mux.HandleFunc("/forget", func(w http.ResponseWriter, r *http.Request) { j.forget() })
	mux.HandleFunc("/calls", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(j.callsSince(r.URL.Query().Get("since")))
	})
	mux.HandleFunc("/close", func(w http.ResponseWriter, r *http.Request) {
		for _, d := range doors {
			d.close(r.URL.Query().Get("gracefully") != "")
		}
	})
	mux.HandleFunc("/open", func(w http.ResponseWriter, r *http.Request) {
		for _, d := range doors {
			if err := d.open(); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}
	})
	return mux
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	rand.Seed(time.Now().UnixNano() + int64(os.Getpid())) // go 1.19 begins with the same every time
	cert := flag.String("cert", "", "PEM file: a second port, with TLS")
	key := flag.String("key", "", "PEM file")
	quiet := flag.Bool("quiet", false, "keep no record of calls, for measuring")
	flag.Parse()

	fake := pstest.NewServer()
	j := &judge{quiet: *quiet}
	doors := []*door{newDoor(j, fake)}
	if *cert != "" {
		tls, err := credentials.NewServerTLSFromFile(*cert, *key)
		fail(err)
		doors = append(doors, newDoor(j, fake, grpc.Creds(tls)))
	}
	for _, d := range doors {
		fail(d.open())
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	go http.Serve(listener, control(j, fake, doors))

	line := doors[0].address + " " + listener.Addr().String()
	if len(doors) > 1 {
		line += " " + doors[1].address
	}
	fmt.Println(line)
	io.Copy(io.Discard, os.Stdin)
}
