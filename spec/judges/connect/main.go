// Connect's own client for Go, which Flyte 2's executor has, as a client of ours:
//
//	connect DESCRIPTORS URL connect|grpc|grpcweb proto|json plain|gzip 1.1|2
//
// Each line of standard input is a RecordRequest in base64; what came of it is a line: "ok", or the code and the message.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"connectrpc.com/connect"
	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"
)

const procedure = "/flyteidl2.workflow.EventsProxyService/Record"

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

// The type of the requests, out of a set of descriptors.
func requestType(path string) protoreflect.MessageDescriptor {
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(must(os.ReadFile(path)), set); err != nil {
		must(0, err)
	}
	files := must(protodesc.NewFiles(set))
	return must(files.FindDescriptorByName("flyteidl2.workflow.RecordRequest")).(protoreflect.MessageDescriptor)
}

func httpClient(version string) *http.Client {
	if version == "1.1" {
		return &http.Client{}
	}
	return &http.Client{Transport: &http2.Transport{AllowHTTP: true, DialTLSContext: func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}}
}

func options(protocol, codec, compression string) (o []connect.ClientOption) {
	switch protocol {
	case "grpc":
		o = append(o, connect.WithGRPC())
	case "grpcweb":
		o = append(o, connect.WithGRPCWeb())
	}
	if codec == "json" {
		o = append(o, connect.WithProtoJSON())
	}
	if compression == "gzip" {
		o = append(o, connect.WithSendGzip())
	}
	return o
}

func main() {
	a := os.Args
	kind := requestType(a[1])
	// Its answer has no fields.
	client := connect.NewClient[dynamicpb.Message, emptypb.Empty](httpClient(a[6]), a[2]+procedure, options(a[3], a[4], a[5])...)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 32<<20)
	for lines.Scan() {
		request := dynamicpb.NewMessage(kind)
		if err := proto.Unmarshal(must(base64.StdEncoding.DecodeString(lines.Text())), request); err != nil {
			must(0, err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		if _, err := client.CallUnary(ctx, connect.NewRequest(request)); err != nil {
			fmt.Printf("%s %q\n", connect.CodeOf(err), err)
		} else {
			fmt.Println("ok")
		}
		cancel()
	}
	must(0, lines.Err())
}
