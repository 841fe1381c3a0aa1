//go:build tools

package main

import _ "github.com/cloudevents/conformance/cmd/cloudevents"
