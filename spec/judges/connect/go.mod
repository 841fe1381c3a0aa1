module moongate/judges/connect

go 1.26

require (
	connectrpc.com/connect v1.18.1
	golang.org/x/net v0.38.0
	google.golang.org/protobuf v1.36.11
)

require golang.org/x/text v0.23.0 // indirect
