---@meta moongate.flyte
-- Flyte's messages as scripts see them. Made by proto/meta.lua (make meta): do not edit.
-- Of a oneof one member is there. Another message that was not set is nil, too; editors are not told so,
-- or they would ask for a check of each part of request.event.execution_id.project.

---@class moongate.flyteidl.admin.AbortMetadata: moongate.Message
---@field cause string
---@field principal string

---@class moongate.flyteidl.admin.Annotations: moongate.Message
---@field values table<string, string>

---@class moongate.flyteidl.admin.AuthRole: moongate.Message
---@field assumable_iam_role string
---@field kubernetes_service_account string

---@class moongate.flyteidl.admin.ClusterAssignment: moongate.Message
---@field cluster_pool_name string

---@class moongate.flyteidl.admin.EmailNotification: moongate.Message
---@field recipients_email string[]
---@field template string

---@class moongate.flyteidl.admin.Envs: moongate.Message
---@field values moongate.flyteidl.core.KeyValuePair[]

---@class moongate.flyteidl.admin.Execution: moongate.Message
---@field id moongate.flyteidl.core.WorkflowExecutionIdentifier
---@field spec moongate.flyteidl.admin.ExecutionSpec
---@field closure moongate.flyteidl.admin.ExecutionClosure

---@class moongate.flyteidl.admin.ExecutionClosure: moongate.Message
---@field outputs? moongate.flyteidl.admin.LiteralMapBlob
---@field error? moongate.flyteidl.core.ExecutionError
---@field abort_cause? string
---@field abort_metadata? moongate.flyteidl.admin.AbortMetadata
---@field output_data? moongate.flyteidl.core.LiteralMap
---@field computed_inputs moongate.flyteidl.core.LiteralMap
---@field phase moongate.flyteidl.core.WorkflowExecution.Phase
---@field started_at moongate.google.protobuf.Timestamp
---@field duration moongate.google.protobuf.Duration
---@field created_at moongate.google.protobuf.Timestamp
---@field updated_at moongate.google.protobuf.Timestamp
---@field notifications moongate.flyteidl.admin.Notification[]
---@field workflow_id moongate.flyteidl.core.Identifier
---@field state_change_details moongate.flyteidl.admin.ExecutionStateChangeDetails

---@class moongate.flyteidl.admin.ExecutionClusterLabel: moongate.Message
---@field value string

---@class moongate.flyteidl.admin.ExecutionMetadata: moongate.Message
---@field mode moongate.flyteidl.admin.ExecutionMetadata.ExecutionMode
---@field principal string
---@field nesting integer
---@field scheduled_at moongate.google.protobuf.Timestamp
---@field parent_node_execution moongate.flyteidl.core.NodeExecutionIdentifier
---@field reference_execution moongate.flyteidl.core.WorkflowExecutionIdentifier
---@field system_metadata moongate.flyteidl.admin.SystemMetadata
---@field artifact_ids moongate.flyteidl.core.ArtifactID[]

---@alias moongate.flyteidl.admin.ExecutionMetadata.ExecutionMode
---| "MANUAL"
---| "SCHEDULED"
---| "SYSTEM"
---| "RELAUNCH"
---| "CHILD_WORKFLOW"
---| "RECOVERED"
---| "TRIGGER"
---| integer

---@class moongate.flyteidl.admin.ExecutionSpec: moongate.Message
---@field launch_plan moongate.flyteidl.core.Identifier
---@field inputs moongate.flyteidl.core.LiteralMap
---@field metadata moongate.flyteidl.admin.ExecutionMetadata
---@field notifications? moongate.flyteidl.admin.NotificationList
---@field disable_all? boolean
---@field labels moongate.flyteidl.admin.Labels
---@field annotations moongate.flyteidl.admin.Annotations
---@field security_context moongate.flyteidl.core.SecurityContext
---@field auth_role moongate.flyteidl.admin.AuthRole
---@field quality_of_service moongate.flyteidl.core.QualityOfService
---@field max_parallelism integer
---@field raw_output_data_config moongate.flyteidl.admin.RawOutputDataConfig
---@field cluster_assignment moongate.flyteidl.admin.ClusterAssignment
---@field interruptible moongate.google.protobuf.BoolValue
---@field overwrite_cache boolean
---@field envs moongate.flyteidl.admin.Envs
---@field tags string[]
---@field execution_cluster_label moongate.flyteidl.admin.ExecutionClusterLabel
---@field execution_env_assignments moongate.flyteidl.core.ExecutionEnvAssignment[]

---@alias moongate.flyteidl.admin.ExecutionState
---| "EXECUTION_ACTIVE"
---| "EXECUTION_ARCHIVED"
---| integer

---@class moongate.flyteidl.admin.ExecutionStateChangeDetails: moongate.Message
---@field state moongate.flyteidl.admin.ExecutionState
---@field occurred_at moongate.google.protobuf.Timestamp
---@field principal string

---@class moongate.flyteidl.admin.Labels: moongate.Message
---@field values table<string, string>

---@class moongate.flyteidl.admin.LiteralMapBlob: moongate.Message
---@field values? moongate.flyteidl.core.LiteralMap
---@field uri? string

---@class moongate.flyteidl.admin.NodeExecutionEventRequest: moongate.Message
---@field request_id string
---@field event moongate.flyteidl.event.NodeExecutionEvent

---@class moongate.flyteidl.admin.Notification: moongate.Message
---@field phases moongate.flyteidl.core.WorkflowExecution.Phase[]
---@field email? moongate.flyteidl.admin.EmailNotification
---@field pager_duty? moongate.flyteidl.admin.PagerDutyNotification
---@field slack? moongate.flyteidl.admin.SlackNotification

---@class moongate.flyteidl.admin.NotificationList: moongate.Message
---@field notifications moongate.flyteidl.admin.Notification[]

---@class moongate.flyteidl.admin.PagerDutyNotification: moongate.Message
---@field recipients_email string[]
---@field template string

---@class moongate.flyteidl.admin.RawOutputDataConfig: moongate.Message
---@field output_location_prefix string

---@class moongate.flyteidl.admin.Reason: moongate.Message
---@field occurred_at moongate.google.protobuf.Timestamp
---@field message string

---@class moongate.flyteidl.admin.SlackNotification: moongate.Message
---@field recipients_email string[]
---@field template string

---@class moongate.flyteidl.admin.SystemMetadata: moongate.Message
---@field execution_cluster string
---@field namespace string

---@class moongate.flyteidl.admin.Task: moongate.Message
---@field id moongate.flyteidl.core.Identifier
---@field closure moongate.flyteidl.admin.TaskClosure
---@field short_description string

---@class moongate.flyteidl.admin.TaskClosure: moongate.Message
---@field compiled_task moongate.flyteidl.core.CompiledTask
---@field created_at moongate.google.protobuf.Timestamp

---@class moongate.flyteidl.admin.TaskExecution: moongate.Message
---@field id moongate.flyteidl.core.TaskExecutionIdentifier
---@field input_uri string
---@field closure moongate.flyteidl.admin.TaskExecutionClosure
---@field is_parent boolean

---@class moongate.flyteidl.admin.TaskExecutionClosure: moongate.Message
---@field output_uri? string
---@field error? moongate.flyteidl.core.ExecutionError
---@field output_data? moongate.flyteidl.core.LiteralMap
---@field phase moongate.flyteidl.core.TaskExecution.Phase
---@field logs moongate.flyteidl.core.TaskLog[]
---@field started_at moongate.google.protobuf.Timestamp
---@field duration moongate.google.protobuf.Duration
---@field created_at moongate.google.protobuf.Timestamp
---@field updated_at moongate.google.protobuf.Timestamp
---@field custom_info table
---@field reason string
---@field task_type string
---@field metadata moongate.flyteidl.event.TaskExecutionMetadata
---@field event_version integer
---@field reasons moongate.flyteidl.admin.Reason[]
---@field log_context moongate.flyteidl.core.LogContext

---@class moongate.flyteidl.admin.TaskExecutionEventRequest: moongate.Message
---@field request_id string
---@field event moongate.flyteidl.event.TaskExecutionEvent

---@class moongate.flyteidl.admin.Workflow: moongate.Message
---@field id moongate.flyteidl.core.Identifier
---@field closure moongate.flyteidl.admin.WorkflowClosure
---@field short_description string

---@class moongate.flyteidl.admin.WorkflowClosure: moongate.Message
---@field compiled_workflow moongate.flyteidl.core.CompiledWorkflowClosure
---@field created_at moongate.google.protobuf.Timestamp

---@class moongate.flyteidl.admin.WorkflowExecutionEventRequest: moongate.Message
---@field request_id string
---@field event moongate.flyteidl.event.WorkflowExecutionEvent

---@class moongate.flyteidl.core.Alias: moongate.Message
---@field var string
---@field alias string

---@class moongate.flyteidl.core.ApproveCondition: moongate.Message
---@field signal_id string

---@class moongate.flyteidl.core.ArrayNode: moongate.Message
---@field node moongate.flyteidl.core.Node
---@field parallelism? integer
---@field min_successes? integer
---@field min_success_ratio? number
---@field execution_mode moongate.flyteidl.core.ArrayNode.ExecutionMode
---@field is_original_sub_node_interface moongate.google.protobuf.BoolValue
---@field data_mode moongate.flyteidl.core.ArrayNode.DataMode
---@field bound_inputs string[]
---@field run_all_sub_nodes boolean

---@alias moongate.flyteidl.core.ArrayNode.DataMode
---| "SINGLE_INPUT_FILE"
---| "INDIVIDUAL_INPUT_FILES"
---| integer

---@alias moongate.flyteidl.core.ArrayNode.ExecutionMode
---| "MINIMAL_STATE"
---| "FULL_STATE"
---| integer

---@class moongate.flyteidl.core.ArtifactBindingData: moongate.Message
---@field partition_key? string
---@field bind_to_time_partition? boolean
---@field time_transform moongate.flyteidl.core.TimeTransform

---@class moongate.flyteidl.core.ArtifactID: moongate.Message
---@field artifact_key moongate.flyteidl.core.ArtifactKey
---@field version string
---@field partitions moongate.flyteidl.core.Partitions
---@field time_partition moongate.flyteidl.core.TimePartition

---@class moongate.flyteidl.core.ArtifactKey: moongate.Message
---@field project string
---@field domain string
---@field name string
---@field org string

---@class moongate.flyteidl.core.ArtifactTag: moongate.Message
---@field artifact_key moongate.flyteidl.core.ArtifactKey
---@field value moongate.flyteidl.core.LabelValue

---@class moongate.flyteidl.core.Binary: moongate.Message
---@field value string
---@field tag string

---@class moongate.flyteidl.core.Binding: moongate.Message
---@field var string
---@field binding moongate.flyteidl.core.BindingData

---@class moongate.flyteidl.core.BindingData: moongate.Message
---@field scalar? moongate.flyteidl.core.Scalar
---@field collection? moongate.flyteidl.core.BindingDataCollection
---@field promise? moongate.flyteidl.core.OutputReference
---@field map? moongate.flyteidl.core.BindingDataMap
---@field offloaded_metadata? moongate.flyteidl.core.LiteralOffloadedMetadata
---@field union moongate.flyteidl.core.UnionInfo

---@class moongate.flyteidl.core.BindingDataCollection: moongate.Message
---@field bindings moongate.flyteidl.core.BindingData[]

---@class moongate.flyteidl.core.BindingDataMap: moongate.Message
---@field bindings table<string, moongate.flyteidl.core.BindingData>

---@class moongate.flyteidl.core.Blob: moongate.Message
---@field metadata moongate.flyteidl.core.BlobMetadata
---@field uri string

---@class moongate.flyteidl.core.BlobMetadata: moongate.Message
---@field type moongate.flyteidl.core.BlobType

---@class moongate.flyteidl.core.BlobType: moongate.Message
---@field format string
---@field dimensionality moongate.flyteidl.core.BlobType.BlobDimensionality

---@alias moongate.flyteidl.core.BlobType.BlobDimensionality
---| "SINGLE"
---| "MULTIPART"
---| integer

---@class moongate.flyteidl.core.BooleanExpression: moongate.Message
---@field conjunction? moongate.flyteidl.core.ConjunctionExpression
---@field comparison? moongate.flyteidl.core.ComparisonExpression

---@class moongate.flyteidl.core.BranchNode: moongate.Message
---@field if_else moongate.flyteidl.core.IfElseBlock

---@class moongate.flyteidl.core.CatalogArtifactTag: moongate.Message
---@field artifact_id string
---@field name string

---@alias moongate.flyteidl.core.CatalogCacheStatus
---| "CACHE_DISABLED"
---| "CACHE_MISS"
---| "CACHE_HIT"
---| "CACHE_POPULATED"
---| "CACHE_LOOKUP_FAILURE"
---| "CACHE_PUT_FAILURE"
---| "CACHE_SKIPPED"
---| "CACHE_EVICTED"
---| integer

---@class moongate.flyteidl.core.CatalogMetadata: moongate.Message
---@field dataset_id moongate.flyteidl.core.Identifier
---@field artifact_tag moongate.flyteidl.core.CatalogArtifactTag
---@field source_task_execution? moongate.flyteidl.core.TaskExecutionIdentifier

---@alias moongate.flyteidl.core.CatalogReservation.Status
---| "RESERVATION_DISABLED"
---| "RESERVATION_ACQUIRED"
---| "RESERVATION_EXISTS"
---| "RESERVATION_RELEASED"
---| "RESERVATION_FAILURE"
---| integer

---@class moongate.flyteidl.core.ComparisonExpression: moongate.Message
---@field operator moongate.flyteidl.core.ComparisonExpression.Operator
---@field left_value moongate.flyteidl.core.Operand
---@field right_value moongate.flyteidl.core.Operand

---@alias moongate.flyteidl.core.ComparisonExpression.Operator
---| "EQ"
---| "NEQ"
---| "GT"
---| "GTE"
---| "LT"
---| "LTE"
---| integer

---@class moongate.flyteidl.core.CompiledLaunchPlan: moongate.Message
---@field template moongate.flyteidl.core.LaunchPlanTemplate

---@class moongate.flyteidl.core.CompiledTask: moongate.Message
---@field template moongate.flyteidl.core.TaskTemplate

---@class moongate.flyteidl.core.CompiledWorkflow: moongate.Message
---@field template moongate.flyteidl.core.WorkflowTemplate
---@field connections moongate.flyteidl.core.ConnectionSet

---@class moongate.flyteidl.core.CompiledWorkflowClosure: moongate.Message
---@field primary moongate.flyteidl.core.CompiledWorkflow
---@field sub_workflows moongate.flyteidl.core.CompiledWorkflow[]
---@field tasks moongate.flyteidl.core.CompiledTask[]
---@field launch_plans moongate.flyteidl.core.CompiledLaunchPlan[]

---@class moongate.flyteidl.core.ConjunctionExpression: moongate.Message
---@field operator moongate.flyteidl.core.ConjunctionExpression.LogicalOperator
---@field left_expression moongate.flyteidl.core.BooleanExpression
---@field right_expression moongate.flyteidl.core.BooleanExpression

---@alias moongate.flyteidl.core.ConjunctionExpression.LogicalOperator
---| "AND"
---| "OR"
---| integer

---@class moongate.flyteidl.core.ConnectionSet: moongate.Message
---@field downstream table<string, moongate.flyteidl.core.ConnectionSet.IdList>
---@field upstream table<string, moongate.flyteidl.core.ConnectionSet.IdList>

---@class moongate.flyteidl.core.ConnectionSet.IdList: moongate.Message
---@field ids string[]

---@class moongate.flyteidl.core.Container: moongate.Message
---@field image string
---@field command string[]
---@field args string[]
---@field resources moongate.flyteidl.core.Resources
---@field env moongate.flyteidl.core.KeyValuePair[]
---@field config moongate.flyteidl.core.KeyValuePair[]
---@field ports moongate.flyteidl.core.ContainerPort[]
---@field data_config moongate.flyteidl.core.DataLoadingConfig
---@field architecture moongate.flyteidl.core.Container.Architecture

---@alias moongate.flyteidl.core.Container.Architecture
---| "UNKNOWN"
---| "AMD64"
---| "ARM64"
---| "ARM_V6"
---| "ARM_V7"
---| integer

---@class moongate.flyteidl.core.ContainerContext: moongate.Message
---@field container_name string
---@field process moongate.flyteidl.core.ContainerContext.ProcessContext

---@class moongate.flyteidl.core.ContainerContext.ProcessContext: moongate.Message
---@field container_start_time moongate.google.protobuf.Timestamp
---@field container_end_time moongate.google.protobuf.Timestamp

---@class moongate.flyteidl.core.ContainerPort: moongate.Message
---@field container_port integer
---@field name string

---@class moongate.flyteidl.core.DataLoadingConfig: moongate.Message
---@field enabled boolean
---@field input_path string
---@field output_path string
---@field format moongate.flyteidl.core.DataLoadingConfig.LiteralMapFormat
---@field io_strategy moongate.flyteidl.core.IOStrategy

---@alias moongate.flyteidl.core.DataLoadingConfig.LiteralMapFormat
---| "JSON"
---| "YAML"
---| "PROTO"
---| integer

---@class moongate.flyteidl.core.EnumType: moongate.Message
---@field values string[]

---@class moongate.flyteidl.core.Error: moongate.Message
---@field failed_node_id string
---@field message string

---@class moongate.flyteidl.core.ExecutionEnv: moongate.Message
---@field name string
---@field type string
---@field extant? table
---@field spec? table
---@field version string

---@class moongate.flyteidl.core.ExecutionEnvAssignment: moongate.Message
---@field node_ids string[]
---@field task_type string
---@field execution_env moongate.flyteidl.core.ExecutionEnv

---@class moongate.flyteidl.core.ExecutionError: moongate.Message
---@field code string
---@field message string
---@field error_uri string
---@field kind moongate.flyteidl.core.ExecutionError.ErrorKind
---@field timestamp moongate.google.protobuf.Timestamp
---@field worker string

---@alias moongate.flyteidl.core.ExecutionError.ErrorKind
---| "UNKNOWN"
---| "USER"
---| "SYSTEM"
---| integer

---@class moongate.flyteidl.core.ExtendedResources: moongate.Message
---@field gpu_accelerator moongate.flyteidl.core.GPUAccelerator
---@field shared_memory moongate.flyteidl.core.SharedMemory

---@class moongate.flyteidl.core.GPUAccelerator: moongate.Message
---@field device string
---@field unpartitioned? boolean
---@field partition_size? string

---@class moongate.flyteidl.core.GateNode: moongate.Message
---@field approve? moongate.flyteidl.core.ApproveCondition
---@field signal? moongate.flyteidl.core.SignalCondition
---@field sleep? moongate.flyteidl.core.SleepCondition

---@alias moongate.flyteidl.core.Granularity
---| "UNSET"
---| "MINUTE"
---| "HOUR"
---| "DAY"
---| "MONTH"
---| integer

---@class moongate.flyteidl.core.IOStrategy: moongate.Message
---@field download_mode moongate.flyteidl.core.IOStrategy.DownloadMode
---@field upload_mode moongate.flyteidl.core.IOStrategy.UploadMode

---@alias moongate.flyteidl.core.IOStrategy.DownloadMode
---| "DOWNLOAD_EAGER"
---| "DOWNLOAD_STREAM"
---| "DO_NOT_DOWNLOAD"
---| integer

---@alias moongate.flyteidl.core.IOStrategy.UploadMode
---| "UPLOAD_ON_EXIT"
---| "UPLOAD_EAGER"
---| "DO_NOT_UPLOAD"
---| integer

---@class moongate.flyteidl.core.Identifier: moongate.Message
---@field resource_type moongate.flyteidl.core.ResourceType
---@field project string
---@field domain string
---@field name string
---@field version string
---@field org string

---@class moongate.flyteidl.core.Identity: moongate.Message
---@field iam_role string
---@field k8s_service_account string
---@field oauth2_client moongate.flyteidl.core.OAuth2Client
---@field execution_identity string

---@class moongate.flyteidl.core.IfBlock: moongate.Message
---@field condition moongate.flyteidl.core.BooleanExpression
---@field then_node moongate.flyteidl.core.Node

---@class moongate.flyteidl.core.IfElseBlock: moongate.Message
---@field case moongate.flyteidl.core.IfBlock
---@field other moongate.flyteidl.core.IfBlock[]
---@field else_node? moongate.flyteidl.core.Node
---@field error? moongate.flyteidl.core.Error

---@class moongate.flyteidl.core.InputBindingData: moongate.Message
---@field var string

---@class moongate.flyteidl.core.K8sObjectMetadata: moongate.Message
---@field labels table<string, string>
---@field annotations table<string, string>

---@class moongate.flyteidl.core.K8sPod: moongate.Message
---@field metadata moongate.flyteidl.core.K8sObjectMetadata
---@field pod_spec table
---@field data_config moongate.flyteidl.core.DataLoadingConfig
---@field primary_container_name string

---@class moongate.flyteidl.core.KeyValuePair: moongate.Message
---@field key string
---@field value string

---@class moongate.flyteidl.core.LabelValue: moongate.Message
---@field static_value? string
---@field time_value? moongate.google.protobuf.Timestamp
---@field triggered_binding? moongate.flyteidl.core.ArtifactBindingData
---@field input_binding? moongate.flyteidl.core.InputBindingData
---@field runtime_binding? moongate.flyteidl.core.RuntimeBinding

---@class moongate.flyteidl.core.LaunchPlanTemplate: moongate.Message
---@field id moongate.flyteidl.core.Identifier
---@field interface moongate.flyteidl.core.TypedInterface
---@field fixed_inputs moongate.flyteidl.core.LiteralMap

---@class moongate.flyteidl.core.Literal: moongate.Message
---@field scalar? moongate.flyteidl.core.Scalar
---@field collection? moongate.flyteidl.core.LiteralCollection
---@field map? moongate.flyteidl.core.LiteralMap
---@field offloaded_metadata? moongate.flyteidl.core.LiteralOffloadedMetadata
---@field hash string
---@field metadata table<string, string>

---@class moongate.flyteidl.core.LiteralCollection: moongate.Message
---@field literals moongate.flyteidl.core.Literal[]

---@class moongate.flyteidl.core.LiteralMap: moongate.Message
---@field literals table<string, moongate.flyteidl.core.Literal>

---@class moongate.flyteidl.core.LiteralOffloadedMetadata: moongate.Message
---@field uri string
---@field size_bytes integer
---@field inferred_type moongate.flyteidl.core.LiteralType

---@class moongate.flyteidl.core.LiteralType: moongate.Message
---@field simple? moongate.flyteidl.core.SimpleType
---@field schema? moongate.flyteidl.core.SchemaType
---@field collection_type? moongate.flyteidl.core.LiteralType
---@field map_value_type? moongate.flyteidl.core.LiteralType
---@field blob? moongate.flyteidl.core.BlobType
---@field enum_type? moongate.flyteidl.core.EnumType
---@field structured_dataset_type? moongate.flyteidl.core.StructuredDatasetType
---@field union_type? moongate.flyteidl.core.UnionType
---@field metadata table
---@field annotation moongate.flyteidl.core.TypeAnnotation
---@field structure moongate.flyteidl.core.TypeStructure

---@class moongate.flyteidl.core.LogContext: moongate.Message
---@field pods moongate.flyteidl.core.PodLogContext[]
---@field primary_pod_name string

---@class moongate.flyteidl.core.Node: moongate.Message
---@field id string
---@field metadata moongate.flyteidl.core.NodeMetadata
---@field inputs moongate.flyteidl.core.Binding[]
---@field upstream_node_ids string[]
---@field output_aliases moongate.flyteidl.core.Alias[]
---@field task_node? moongate.flyteidl.core.TaskNode
---@field workflow_node? moongate.flyteidl.core.WorkflowNode
---@field branch_node? moongate.flyteidl.core.BranchNode
---@field gate_node? moongate.flyteidl.core.GateNode
---@field array_node? moongate.flyteidl.core.ArrayNode

---@alias moongate.flyteidl.core.NodeExecution.Phase
---| "UNDEFINED"
---| "QUEUED"
---| "RUNNING"
---| "SUCCEEDED"
---| "FAILING"
---| "FAILED"
---| "ABORTED"
---| "SKIPPED"
---| "TIMED_OUT"
---| "DYNAMIC_RUNNING"
---| "RECOVERED"
---| integer

---@class moongate.flyteidl.core.NodeExecutionIdentifier: moongate.Message
---@field node_id string
---@field execution_id moongate.flyteidl.core.WorkflowExecutionIdentifier

---@class moongate.flyteidl.core.NodeMetadata: moongate.Message
---@field name string
---@field timeout moongate.google.protobuf.Duration
---@field retries moongate.flyteidl.core.RetryStrategy
---@field interruptible? boolean
---@field cacheable? boolean
---@field cache_version? string
---@field cache_serializable? boolean
---@field config table<string, string>

---@class moongate.flyteidl.core.OAuth2Client: moongate.Message
---@field client_id string
---@field client_secret moongate.flyteidl.core.Secret

---@class moongate.flyteidl.core.OAuth2TokenRequest: moongate.Message
---@field name string
---@field type moongate.flyteidl.core.OAuth2TokenRequest.Type
---@field client moongate.flyteidl.core.OAuth2Client
---@field idp_discovery_endpoint string
---@field token_endpoint string

---@alias moongate.flyteidl.core.OAuth2TokenRequest.Type
---| "CLIENT_CREDENTIALS"
---| integer

---@class moongate.flyteidl.core.Operand: moongate.Message
---@field primitive? moongate.flyteidl.core.Primitive
---@field var? string
---@field scalar? moongate.flyteidl.core.Scalar

---@alias moongate.flyteidl.core.Operator
---| "MINUS"
---| "PLUS"
---| integer

---@class moongate.flyteidl.core.OutputReference: moongate.Message
---@field node_id string
---@field var string
---@field attr_path moongate.flyteidl.core.PromiseAttribute[]

---@class moongate.flyteidl.core.Partitions: moongate.Message
---@field value table<string, moongate.flyteidl.core.LabelValue>

---@class moongate.flyteidl.core.PodLogContext: moongate.Message
---@field namespace string
---@field pod_name string
---@field containers moongate.flyteidl.core.ContainerContext[]
---@field primary_container_name string
---@field init_containers moongate.flyteidl.core.ContainerContext[]

---@class moongate.flyteidl.core.Primitive: moongate.Message
---@field integer? integer
---@field float_value? number
---@field string_value? string
---@field boolean? boolean
---@field datetime? moongate.google.protobuf.Timestamp
---@field duration? moongate.google.protobuf.Duration

---@class moongate.flyteidl.core.PromiseAttribute: moongate.Message
---@field string_value? string
---@field int_value? integer

---@class moongate.flyteidl.core.QualityOfService: moongate.Message
---@field tier? moongate.flyteidl.core.QualityOfService.Tier
---@field spec? moongate.flyteidl.core.QualityOfServiceSpec

---@alias moongate.flyteidl.core.QualityOfService.Tier
---| "UNDEFINED"
---| "HIGH"
---| "MEDIUM"
---| "LOW"
---| integer

---@class moongate.flyteidl.core.QualityOfServiceSpec: moongate.Message
---@field queueing_budget moongate.google.protobuf.Duration

---@alias moongate.flyteidl.core.ResourceType
---| "UNSPECIFIED"
---| "TASK"
---| "WORKFLOW"
---| "LAUNCH_PLAN"
---| "DATASET"
---| integer

---@class moongate.flyteidl.core.Resources: moongate.Message
---@field requests moongate.flyteidl.core.Resources.ResourceEntry[]
---@field limits moongate.flyteidl.core.Resources.ResourceEntry[]

---@class moongate.flyteidl.core.Resources.ResourceEntry: moongate.Message
---@field name moongate.flyteidl.core.Resources.ResourceName
---@field value string

---@alias moongate.flyteidl.core.Resources.ResourceName
---| "UNKNOWN"
---| "CPU"
---| "GPU"
---| "MEMORY"
---| "STORAGE"
---| "EPHEMERAL_STORAGE"
---| integer

---@class moongate.flyteidl.core.RetryStrategy: moongate.Message
---@field retries integer

---@class moongate.flyteidl.core.RuntimeBinding: moongate.Message

---@class moongate.flyteidl.core.RuntimeMetadata: moongate.Message
---@field type moongate.flyteidl.core.RuntimeMetadata.RuntimeType
---@field version string
---@field flavor string

---@alias moongate.flyteidl.core.RuntimeMetadata.RuntimeType
---| "OTHER"
---| "FLYTE_SDK"
---| integer

---@class moongate.flyteidl.core.Scalar: moongate.Message
---@field primitive? moongate.flyteidl.core.Primitive
---@field blob? moongate.flyteidl.core.Blob
---@field binary? moongate.flyteidl.core.Binary
---@field schema? moongate.flyteidl.core.Schema
---@field none_type? moongate.flyteidl.core.Void
---@field error? moongate.flyteidl.core.Error
---@field generic? table
---@field structured_dataset? moongate.flyteidl.core.StructuredDataset
---@field union? moongate.flyteidl.core.Union

---@class moongate.flyteidl.core.Schema: moongate.Message
---@field uri string
---@field type moongate.flyteidl.core.SchemaType

---@class moongate.flyteidl.core.SchemaType: moongate.Message
---@field columns moongate.flyteidl.core.SchemaType.SchemaColumn[]

---@class moongate.flyteidl.core.SchemaType.SchemaColumn: moongate.Message
---@field name string
---@field type moongate.flyteidl.core.SchemaType.SchemaColumn.SchemaColumnType

---@alias moongate.flyteidl.core.SchemaType.SchemaColumn.SchemaColumnType
---| "INTEGER"
---| "FLOAT"
---| "STRING"
---| "BOOLEAN"
---| "DATETIME"
---| "DURATION"
---| integer

---@class moongate.flyteidl.core.Secret: moongate.Message
---@field group string
---@field group_version string
---@field key string
---@field mount_requirement moongate.flyteidl.core.Secret.MountType
---@field env_var string

---@alias moongate.flyteidl.core.Secret.MountType
---| "ANY"
---| "ENV_VAR"
---| "FILE"
---| integer

---@class moongate.flyteidl.core.SecurityContext: moongate.Message
---@field run_as moongate.flyteidl.core.Identity
---@field secrets moongate.flyteidl.core.Secret[]
---@field tokens moongate.flyteidl.core.OAuth2TokenRequest[]

---@class moongate.flyteidl.core.SharedMemory: moongate.Message
---@field mount_path string
---@field mount_name string
---@field size_limit string

---@class moongate.flyteidl.core.SignalCondition: moongate.Message
---@field signal_id string
---@field type moongate.flyteidl.core.LiteralType
---@field output_variable_name string

---@alias moongate.flyteidl.core.SimpleType
---| "NONE"
---| "INTEGER"
---| "FLOAT"
---| "STRING"
---| "BOOLEAN"
---| "DATETIME"
---| "DURATION"
---| "BINARY"
---| "ERROR"
---| "STRUCT"
---| integer

---@class moongate.flyteidl.core.SleepCondition: moongate.Message
---@field duration moongate.google.protobuf.Duration

---@class moongate.flyteidl.core.Sql: moongate.Message
---@field statement string
---@field dialect moongate.flyteidl.core.Sql.Dialect

---@alias moongate.flyteidl.core.Sql.Dialect
---| "UNDEFINED"
---| "ANSI"
---| "HIVE"
---| "OTHER"
---| integer

---@class moongate.flyteidl.core.StructuredDataset: moongate.Message
---@field uri string
---@field metadata moongate.flyteidl.core.StructuredDatasetMetadata

---@class moongate.flyteidl.core.StructuredDatasetMetadata: moongate.Message
---@field structured_dataset_type moongate.flyteidl.core.StructuredDatasetType

---@class moongate.flyteidl.core.StructuredDatasetType: moongate.Message
---@field columns moongate.flyteidl.core.StructuredDatasetType.DatasetColumn[]
---@field format string
---@field external_schema_type string
---@field external_schema_bytes string

---@class moongate.flyteidl.core.StructuredDatasetType.DatasetColumn: moongate.Message
---@field name string
---@field literal_type moongate.flyteidl.core.LiteralType

---@alias moongate.flyteidl.core.TaskExecution.Phase
---| "UNDEFINED"
---| "QUEUED"
---| "RUNNING"
---| "SUCCEEDED"
---| "ABORTED"
---| "FAILED"
---| "INITIALIZING"
---| "WAITING_FOR_RESOURCES"
---| "RETRYABLE_FAILED"
---| integer

---@class moongate.flyteidl.core.TaskExecutionIdentifier: moongate.Message
---@field task_id moongate.flyteidl.core.Identifier
---@field node_execution_id moongate.flyteidl.core.NodeExecutionIdentifier
---@field retry_attempt integer

---@class moongate.flyteidl.core.TaskLog: moongate.Message
---@field uri string
---@field name string
---@field message_format moongate.flyteidl.core.TaskLog.MessageFormat
---@field ttl moongate.google.protobuf.Duration
---@field ShowWhilePending boolean
---@field HideOnceFinished boolean

---@alias moongate.flyteidl.core.TaskLog.MessageFormat
---| "UNKNOWN"
---| "CSV"
---| "JSON"
---| integer

---@class moongate.flyteidl.core.TaskMetadata: moongate.Message
---@field discoverable boolean
---@field runtime moongate.flyteidl.core.RuntimeMetadata
---@field timeout moongate.google.protobuf.Duration
---@field retries moongate.flyteidl.core.RetryStrategy
---@field discovery_version string
---@field deprecated_error_message string
---@field interruptible? boolean
---@field cache_serializable boolean
---@field tags table<string, string>
---@field pod_template_name string
---@field cache_ignore_input_vars string[]
---@field is_eager boolean
---@field generates_deck moongate.google.protobuf.BoolValue
---@field metadata moongate.flyteidl.core.K8sObjectMetadata

---@class moongate.flyteidl.core.TaskNode: moongate.Message
---@field reference_id? moongate.flyteidl.core.Identifier
---@field overrides moongate.flyteidl.core.TaskNodeOverrides

---@class moongate.flyteidl.core.TaskNodeOverrides: moongate.Message
---@field resources moongate.flyteidl.core.Resources
---@field extended_resources moongate.flyteidl.core.ExtendedResources
---@field container_image string
---@field pod_template moongate.flyteidl.core.K8sPod

---@class moongate.flyteidl.core.TaskTemplate: moongate.Message
---@field id moongate.flyteidl.core.Identifier
---@field type string
---@field metadata moongate.flyteidl.core.TaskMetadata
---@field interface moongate.flyteidl.core.TypedInterface
---@field custom table
---@field container? moongate.flyteidl.core.Container
---@field k8s_pod? moongate.flyteidl.core.K8sPod
---@field sql? moongate.flyteidl.core.Sql
---@field task_type_version integer
---@field security_context moongate.flyteidl.core.SecurityContext
---@field extended_resources moongate.flyteidl.core.ExtendedResources
---@field config table<string, string>

---@class moongate.flyteidl.core.TimePartition: moongate.Message
---@field value moongate.flyteidl.core.LabelValue
---@field granularity moongate.flyteidl.core.Granularity

---@class moongate.flyteidl.core.TimeTransform: moongate.Message
---@field transform string
---@field op moongate.flyteidl.core.Operator

---@class moongate.flyteidl.core.TypeAnnotation: moongate.Message
---@field annotations table

---@class moongate.flyteidl.core.TypeStructure: moongate.Message
---@field tag string
---@field dataclass_type table<string, moongate.flyteidl.core.LiteralType>

---@class moongate.flyteidl.core.TypedInterface: moongate.Message
---@field inputs moongate.flyteidl.core.VariableMap
---@field outputs moongate.flyteidl.core.VariableMap

---@class moongate.flyteidl.core.Union: moongate.Message
---@field value moongate.flyteidl.core.Literal
---@field type moongate.flyteidl.core.LiteralType

---@class moongate.flyteidl.core.UnionInfo: moongate.Message
---@field targetType moongate.flyteidl.core.LiteralType

---@class moongate.flyteidl.core.UnionType: moongate.Message
---@field variants moongate.flyteidl.core.LiteralType[]

---@class moongate.flyteidl.core.Variable: moongate.Message
---@field type moongate.flyteidl.core.LiteralType
---@field description string
---@field artifact_partial_id moongate.flyteidl.core.ArtifactID
---@field artifact_tag moongate.flyteidl.core.ArtifactTag

---@class moongate.flyteidl.core.VariableMap: moongate.Message
---@field variables table<string, moongate.flyteidl.core.Variable>

---@class moongate.flyteidl.core.Void: moongate.Message

---@alias moongate.flyteidl.core.WorkflowExecution.Phase
---| "UNDEFINED"
---| "QUEUED"
---| "RUNNING"
---| "SUCCEEDING"
---| "SUCCEEDED"
---| "FAILING"
---| "FAILED"
---| "ABORTED"
---| "TIMED_OUT"
---| "ABORTING"
---| integer

---@class moongate.flyteidl.core.WorkflowExecutionIdentifier: moongate.Message
---@field project string
---@field domain string
---@field name string
---@field org string

---@class moongate.flyteidl.core.WorkflowMetadata: moongate.Message
---@field quality_of_service moongate.flyteidl.core.QualityOfService
---@field on_failure moongate.flyteidl.core.WorkflowMetadata.OnFailurePolicy
---@field tags table<string, string>

---@alias moongate.flyteidl.core.WorkflowMetadata.OnFailurePolicy
---| "FAIL_IMMEDIATELY"
---| "FAIL_AFTER_EXECUTABLE_NODES_COMPLETE"
---| integer

---@class moongate.flyteidl.core.WorkflowMetadataDefaults: moongate.Message
---@field interruptible boolean

---@class moongate.flyteidl.core.WorkflowNode: moongate.Message
---@field launchplan_ref? moongate.flyteidl.core.Identifier
---@field sub_workflow_ref? moongate.flyteidl.core.Identifier

---@class moongate.flyteidl.core.WorkflowTemplate: moongate.Message
---@field id moongate.flyteidl.core.Identifier
---@field metadata moongate.flyteidl.core.WorkflowMetadata
---@field interface moongate.flyteidl.core.TypedInterface
---@field nodes moongate.flyteidl.core.Node[]
---@field outputs moongate.flyteidl.core.Binding[]
---@field failure_node moongate.flyteidl.core.Node
---@field metadata_defaults moongate.flyteidl.core.WorkflowMetadataDefaults

---@class moongate.flyteidl.event.CloudEventNodeExecution: moongate.Message
---@field raw_event moongate.flyteidl.event.NodeExecutionEvent
---@field task_exec_id moongate.flyteidl.core.TaskExecutionIdentifier
---@field output_interface moongate.flyteidl.core.TypedInterface
---@field artifact_ids moongate.flyteidl.core.ArtifactID[]
---@field principal string
---@field launch_plan_id moongate.flyteidl.core.Identifier
---@field labels table<string, string>

---@class moongate.flyteidl.event.CloudEventTaskExecution: moongate.Message
---@field raw_event moongate.flyteidl.event.TaskExecutionEvent
---@field labels table<string, string>

---@class moongate.flyteidl.event.CloudEventWorkflowExecution: moongate.Message
---@field raw_event moongate.flyteidl.event.WorkflowExecutionEvent
---@field output_interface moongate.flyteidl.core.TypedInterface
---@field artifact_ids moongate.flyteidl.core.ArtifactID[]
---@field reference_execution moongate.flyteidl.core.WorkflowExecutionIdentifier
---@field principal string
---@field launch_plan_id moongate.flyteidl.core.Identifier
---@field labels table<string, string>

---@class moongate.flyteidl.event.DynamicWorkflowNodeMetadata: moongate.Message
---@field id moongate.flyteidl.core.Identifier
---@field compiled_workflow moongate.flyteidl.core.CompiledWorkflowClosure
---@field dynamic_job_spec_uri string

---@class moongate.flyteidl.event.EventReason: moongate.Message
---@field reason string
---@field occurred_at moongate.google.protobuf.Timestamp

---@class moongate.flyteidl.event.ExternalResourceInfo: moongate.Message
---@field external_id string
---@field index integer
---@field retry_attempt integer
---@field phase moongate.flyteidl.core.TaskExecution.Phase
---@field cache_status moongate.flyteidl.core.CatalogCacheStatus
---@field logs moongate.flyteidl.core.TaskLog[]
---@field workflow_node_metadata? moongate.flyteidl.event.WorkflowNodeMetadata
---@field custom_info table
---@field log_context moongate.flyteidl.core.LogContext

---@class moongate.flyteidl.event.NodeExecutionEvent: moongate.Message
---@field id moongate.flyteidl.core.NodeExecutionIdentifier
---@field producer_id string
---@field phase moongate.flyteidl.core.NodeExecution.Phase
---@field occurred_at moongate.google.protobuf.Timestamp
---@field input_uri? string
---@field input_data? moongate.flyteidl.core.LiteralMap
---@field output_uri? string
---@field error? moongate.flyteidl.core.ExecutionError
---@field output_data? moongate.flyteidl.core.LiteralMap
---@field workflow_node_metadata? moongate.flyteidl.event.WorkflowNodeMetadata
---@field task_node_metadata? moongate.flyteidl.event.TaskNodeMetadata
---@field parent_task_metadata moongate.flyteidl.event.ParentTaskExecutionMetadata
---@field parent_node_metadata moongate.flyteidl.event.ParentNodeExecutionMetadata
---@field retry_group string
---@field spec_node_id string
---@field node_name string
---@field event_version integer
---@field is_parent boolean
---@field is_dynamic boolean
---@field deck_uri string
---@field reported_at moongate.google.protobuf.Timestamp
---@field is_array boolean
---@field target_entity moongate.flyteidl.core.Identifier
---@field is_in_dynamic_chain boolean
---@field is_eager boolean

---@class moongate.flyteidl.event.ParentNodeExecutionMetadata: moongate.Message
---@field node_id string

---@class moongate.flyteidl.event.ParentTaskExecutionMetadata: moongate.Message
---@field id moongate.flyteidl.core.TaskExecutionIdentifier

---@class moongate.flyteidl.event.ResourcePoolInfo: moongate.Message
---@field allocation_token string
---@field namespace string

---@class moongate.flyteidl.event.TaskExecutionEvent: moongate.Message
---@field task_id moongate.flyteidl.core.Identifier
---@field parent_node_execution_id moongate.flyteidl.core.NodeExecutionIdentifier
---@field retry_attempt integer
---@field phase moongate.flyteidl.core.TaskExecution.Phase
---@field producer_id string
---@field logs moongate.flyteidl.core.TaskLog[]
---@field occurred_at moongate.google.protobuf.Timestamp
---@field input_uri? string
---@field input_data? moongate.flyteidl.core.LiteralMap
---@field output_uri? string
---@field error? moongate.flyteidl.core.ExecutionError
---@field output_data? moongate.flyteidl.core.LiteralMap
---@field custom_info table
---@field phase_version integer
---@field reason string
---@field reasons moongate.flyteidl.event.EventReason[]
---@field task_type string
---@field metadata moongate.flyteidl.event.TaskExecutionMetadata
---@field event_version integer
---@field reported_at moongate.google.protobuf.Timestamp
---@field log_context moongate.flyteidl.core.LogContext

---@class moongate.flyteidl.event.TaskExecutionMetadata: moongate.Message
---@field generated_name string
---@field external_resources moongate.flyteidl.event.ExternalResourceInfo[]
---@field resource_pool_info moongate.flyteidl.event.ResourcePoolInfo[]
---@field plugin_identifier string
---@field instance_class moongate.flyteidl.event.TaskExecutionMetadata.InstanceClass

---@alias moongate.flyteidl.event.TaskExecutionMetadata.InstanceClass
---| "DEFAULT"
---| "INTERRUPTIBLE"
---| integer

---@class moongate.flyteidl.event.TaskNodeMetadata: moongate.Message
---@field cache_status moongate.flyteidl.core.CatalogCacheStatus
---@field catalog_key moongate.flyteidl.core.CatalogMetadata
---@field reservation_status moongate.flyteidl.core.CatalogReservation.Status
---@field checkpoint_uri string
---@field dynamic_workflow moongate.flyteidl.event.DynamicWorkflowNodeMetadata

---@class moongate.flyteidl.event.WorkflowExecutionEvent: moongate.Message
---@field execution_id moongate.flyteidl.core.WorkflowExecutionIdentifier
---@field producer_id string
---@field phase moongate.flyteidl.core.WorkflowExecution.Phase
---@field occurred_at moongate.google.protobuf.Timestamp
---@field output_uri? string
---@field error? moongate.flyteidl.core.ExecutionError
---@field output_data? moongate.flyteidl.core.LiteralMap

---@class moongate.flyteidl.event.WorkflowNodeMetadata: moongate.Message
---@field execution_id moongate.flyteidl.core.WorkflowExecutionIdentifier

---@class moongate.flyteidl2.common.ActionAttemptIdentifier: moongate.Message
---@field action_id moongate.flyteidl2.common.ActionIdentifier
---@field attempt integer

---@class moongate.flyteidl2.common.ActionIdentifier: moongate.Message
---@field run moongate.flyteidl2.common.RunIdentifier
---@field name string

---@alias moongate.flyteidl2.common.ActionPhase
---| "ACTION_PHASE_UNSPECIFIED"
---| "ACTION_PHASE_QUEUED"
---| "ACTION_PHASE_WAITING_FOR_RESOURCES"
---| "ACTION_PHASE_INITIALIZING"
---| "ACTION_PHASE_RUNNING"
---| "ACTION_PHASE_SUCCEEDED"
---| "ACTION_PHASE_FAILED"
---| "ACTION_PHASE_ABORTED"
---| "ACTION_PHASE_TIMED_OUT"
---| "ACTION_PHASE_PAUSED"
---| "ACTION_PHASE_RECOVERED"
---| integer

---@class moongate.flyteidl2.common.CacheMetadata: moongate.Message
---@field source_action_attempt moongate.flyteidl2.common.ActionAttemptIdentifier

---@class moongate.flyteidl2.common.RunIdentifier: moongate.Message
---@field org string
---@field project string
---@field domain string
---@field name string

---@alias moongate.flyteidl2.core.CatalogCacheStatus
---| "CACHE_DISABLED"
---| "CACHE_MISS"
---| "CACHE_HIT"
---| "CACHE_POPULATED"
---| "CACHE_LOOKUP_FAILURE"
---| "CACHE_PUT_FAILURE"
---| "CACHE_SKIPPED"
---| "CACHE_EVICTED"
---| integer

---@class moongate.flyteidl2.core.ConnectorLogContext: moongate.Message
---@field endpoint string

---@class moongate.flyteidl2.core.ContainerContext: moongate.Message
---@field container_name string
---@field process moongate.flyteidl2.core.ContainerContext.ProcessContext

---@class moongate.flyteidl2.core.ContainerContext.ProcessContext: moongate.Message
---@field container_start_time moongate.google.protobuf.Timestamp
---@field container_end_time moongate.google.protobuf.Timestamp

---@class moongate.flyteidl2.core.GpuFault: moongate.Message
---@field kind moongate.flyteidl2.core.GpuFault.Kind
---@field code integer
---@field name string
---@field severity moongate.flyteidl2.core.GpuFault.Severity
---@field gpu_uuid string
---@field gpu_index? integer
---@field pci_bus_id string
---@field node string
---@field pid integer
---@field process string

---@alias moongate.flyteidl2.core.GpuFault.Kind
---| "KIND_UNSPECIFIED"
---| "KIND_XID"
---| "KIND_SXID"
---| integer

---@alias moongate.flyteidl2.core.GpuFault.Severity
---| "SEVERITY_UNSPECIFIED"
---| "SEVERITY_USER"
---| "SEVERITY_WARN"
---| "SEVERITY_CRITICAL"
---| integer

---@class moongate.flyteidl2.core.LogContext: moongate.Message
---@field pods moongate.flyteidl2.core.PodLogContext[]
---@field primary_pod_name string
---@field connector moongate.flyteidl2.core.ConnectorLogContext
---@field pod_name_prefix string
---@field pod_name_prefixes string[]

---@class moongate.flyteidl2.core.PodLogContext: moongate.Message
---@field namespace string
---@field pod_name string
---@field containers moongate.flyteidl2.core.ContainerContext[]
---@field primary_container_name string
---@field init_containers moongate.flyteidl2.core.ContainerContext[]

---@class moongate.flyteidl2.core.TaskLog: moongate.Message
---@field uri string
---@field name string
---@field message_format moongate.flyteidl2.core.TaskLog.MessageFormat
---@field ttl moongate.google.protobuf.Duration
---@field ShowWhilePending boolean
---@field HideOnceFinished boolean
---@field link_type moongate.flyteidl2.core.TaskLog.LinkType
---@field ready boolean
---@field icon_uri string

---@alias moongate.flyteidl2.core.TaskLog.LinkType
---| "EXTERNAL"
---| "DASHBOARD"
---| "IDE"
---| integer

---@alias moongate.flyteidl2.core.TaskLog.MessageFormat
---| "UNKNOWN"
---| "CSV"
---| "JSON"
---| integer

---@class moongate.flyteidl2.task.OutputReferences: moongate.Message
---@field output_uri string
---@field report_uri string

---@class moongate.flyteidl2.workflow.ActionEvent: moongate.Message
---@field id moongate.flyteidl2.common.ActionIdentifier
---@field attempt integer
---@field phase moongate.flyteidl2.common.ActionPhase
---@field version integer
---@field start_time moongate.google.protobuf.Timestamp
---@field updated_time moongate.google.protobuf.Timestamp
---@field end_time? moongate.google.protobuf.Timestamp
---@field error_info? moongate.flyteidl2.workflow.ErrorInfo
---@field log_info moongate.flyteidl2.core.TaskLog[]
---@field log_context moongate.flyteidl2.core.LogContext
---@field cluster string
---@field outputs moongate.flyteidl2.task.OutputReferences
---@field cache_status moongate.flyteidl2.core.CatalogCacheStatus
---@field cluster_events moongate.flyteidl2.workflow.ClusterEvent[]
---@field reported_time moongate.google.protobuf.Timestamp
---@field cache_metadata moongate.flyteidl2.common.CacheMetadata

---@class moongate.flyteidl2.workflow.ClusterEvent: moongate.Message
---@field occurred_at moongate.google.protobuf.Timestamp
---@field message string
---@field type moongate.flyteidl2.workflow.ClusterEvent.Type
---@field reason string
---@field source_component string
---@field count integer
---@field gpu_fault moongate.flyteidl2.core.GpuFault

---@alias moongate.flyteidl2.workflow.ClusterEvent.Type
---| "TYPE_UNSPECIFIED"
---| "TYPE_NORMAL"
---| "TYPE_WARNING"
---| integer

---@class moongate.flyteidl2.workflow.ErrorInfo: moongate.Message
---@field message string
---@field kind moongate.flyteidl2.workflow.ErrorInfo.Kind
---@field code string
---@field gpu_fault moongate.flyteidl2.core.GpuFault

---@alias moongate.flyteidl2.workflow.ErrorInfo.Kind
---| "KIND_UNSPECIFIED"
---| "KIND_USER"
---| "KIND_SYSTEM"
---| integer

---@class moongate.google.protobuf.BoolValue: moongate.Message
---@field value boolean

---@class moongate.google.protobuf.Duration: moongate.Message
---@field seconds integer
---@field nanos integer

---@class moongate.google.protobuf.Timestamp: moongate.Message
---@field seconds integer
---@field nanos integer
