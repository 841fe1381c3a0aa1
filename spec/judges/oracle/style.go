package main

import (
	"bytes"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/admin"
	"github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/core"
	flyteevent "github.com/flyteorg/flyte/flyteidl/gen/pb-go/flyteidl/event"
	"github.com/golang/protobuf/jsonpb"
	oldproto "github.com/golang/protobuf/proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const (
	sourceOfAll = "https://github.com/flyteorg/flyte/flyteadmin"
	schemaOfAll = "https://github.com/flyteorg/flyteidl/blob/v0.24.14/jsonschema/workflow_execution.json"
	typePrefix  = "com.flyte.resource."
)

// What of a request goes into the attributes, and what version 2 wraps the event in.
type facts struct {
	id         string // without the phase
	phase      fmt.Stringer
	occurredAt *timestamppb.Timestamp
	source     string // version 2
	missing    string // version 2: why it refuses
	wrapped    proto.Message
}

type kind struct {
	name, versionTwo string
	new              func() proto.Message
	facts            func(proto.Message) facts
}

var kinds = []*kind{
	{"workflow", "cloudevents.WorkflowExecution",
		func() proto.Message { return &admin.WorkflowExecutionEventRequest{} },
		func(m proto.Message) facts {
			e := m.(*admin.WorkflowExecutionEventRequest).GetEvent()
			f := facts{id: e.GetExecutionId().String(), phase: e.GetPhase(), occurredAt: e.GetOccurredAt(),
				source:  e.GetExecutionId().GetName() + "/end-node",
				wrapped: &flyteevent.CloudEventWorkflowExecution{RawEvent: e}}
			if e.GetExecutionId() == nil {
				f.missing = "no execution_id"
			}
			return f
		}},
	{"node", "cloudevents.NodeExecution",
		func() proto.Message { return &admin.NodeExecutionEventRequest{} },
		func(m proto.Message) facts {
			e := m.(*admin.NodeExecutionEventRequest).GetEvent()
			f := facts{id: e.GetId().String(), phase: e.GetPhase(), occurredAt: e.GetOccurredAt(),
				source: nodeKey(e.GetId()), wrapped: &flyteevent.CloudEventNodeExecution{RawEvent: e}}
			if e.GetId() == nil {
				f.missing = "no id"
			}
			return f
		}},
	{"task", "cloudevents.TaskExecution",
		func() proto.Message { return &admin.TaskExecutionEventRequest{} },
		func(m proto.Message) facts {
			e := m.(*admin.TaskExecutionEventRequest).GetEvent()
			f := facts{id: e.GetTaskId().String(), phase: e.GetPhase(), occurredAt: e.GetOccurredAt(),
				source:  fmt.Sprintf("%s/%d", nodeKey(e.GetParentNodeExecutionId()), e.GetRetryAttempt()),
				wrapped: &flyteevent.CloudEventTaskExecution{RawEvent: e}}
			if e.GetParentNodeExecutionId() == nil {
				f.missing = "no parent_node_execution_id"
			}
			return f
		}},
}

func nodeKey(id *core.NodeExecutionIdentifier) string {
	return id.GetExecutionId().GetName() + "/" + id.GetNodeId()
}

func marshalJSON(m proto.Message) (string, error) {
	var b bytes.Buffer
	err := (&jsonpb.Marshaler{}).Marshal(&b, oldproto.MessageV1(m))
	return b.String(), err
}

func build(f facts, eventType, source, schema, data string) event.Event {
	e := event.New()
	e.SetType(eventType)
	e.SetSource(source)
	e.SetID(f.id + "." + f.phase.String())
	e.SetTime(f.occurredAt.AsTime())
	e.SetExtension("jsonschemaurl", schema)
	must(e.SetData(event.ApplicationJSON, []byte(data)))
	return e
}

func send(f facts, e event.Event, key, data string, s *sinks) style {
	return style{Data: data, IDSpacing: map[string]sent{fmt.Sprint(spacing()): s.send(e, key)}}
}

func versionOne(k *kind, m proto.Message, s *sinks) style {
	data, err := marshalJSON(m)
	if err != nil {
		return style{Rejected: err.Error()}
	}
	key, f := string(proto.MessageName(m)), k.facts(m)
	return send(f, build(f, typePrefix+key, sourceOfAll, schemaOfAll, data), key, data, s)
}

// Without records: only what the event itself says.
func versionTwo(k *kind, m proto.Message, s *sinks) style {
	f := k.facts(m)
	if f.missing != "" {
		return style{Rejected: f.missing}
	}
	data, err := marshalJSON(f.wrapped)
	if err != nil {
		return style{Rejected: err.Error()}
	}
	return send(f, build(f, typePrefix+k.versionTwo, f.source, "", data), k.versionTwo, data, s)
}

func external(k *kind, m proto.Message, request []byte, s *sinks) style {
	key := string(proto.MessageName(m))
	got := s.sendMessage(m, key)
	if !bytes.Equal(got, request) { // maps in another order, fields or unknown ones elsewhere: it must mean the same
		back := k.new()
		must(proto.Unmarshal(got, back))
		if !proto.Equal(m, back) {
			must(fmt.Errorf("%s: what was published means something else than the request", k.name))
		}
	}
	return style{IDSpacing: map[string]sent{"any": {
		SNS:    &sns{Subject: key},
		PubSub: &pubSub{Attributes: map[string]string{"key": key}}}}}
}
