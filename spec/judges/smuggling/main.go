// A reverse proxy of Go's standard library: main ADDRESS-BEHIND; prints the address that it listens on.
package main

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	behind := &url.URL{Scheme: "http", Host: os.Args[1]}
	proxy := httputil.NewSingleHostReverseProxy(behind)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	log.Fatal((&http.Server{Handler: proxy, ErrorLog: proxy.ErrorLog}).Serve(l))
}
