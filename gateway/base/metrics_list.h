/* Every metric family, once. X(ENUM, "name", TYPE, "help", "label1", "label2"); TYPE is COUNTER,
 * GAUGE, SECONDS (a gauge kept in nanoseconds, printed in seconds) or HISTOGRAM. To add one: a line
 * here, its name in contract and README, and the place that counts. Included by base/metrics.h
 * alone. */
#ifndef GW_BASE_METRICS_LIST_H
#define GW_BASE_METRICS_LIST_H

#define GW_METRICS(X)                                                                              \
    X(EVENTS_RECEIVED, "moongate_events_received_total", COUNTER,                                  \
      "Events acknowledged to the client that sent them.", "ingest", "kind")                       \
    X(EVENTS_REJECTED, "moongate_events_rejected_total", COUNTER, "Requests refused, by why.",     \
      "ingest", "reason")                                                                          \
    X(EVENTS_PUBLISHED, "moongate_events_published_total", COUNTER,                                \
      "Records whose messages were all delivered.", "pipeline", NULL)                              \
    X(EVENTS_FILTERED, "moongate_events_filtered_total", COUNTER,                                  \
      "Records that a rule or a hook left out.", "pipeline", "reason")                             \
    X(EVENTS_DEAD_LETTERED, "moongate_events_dead_lettered_total", COUNTER,                        \
      "Records kept as dead letters.", "pipeline", "reason")                                       \
    X(MESSAGES_PUBLISHED, "moongate_messages_published_total", COUNTER,                            \
      "Messages a destination took.", "pipeline", NULL)                                            \
    X(REPLAYED, "moongate_replayed_total", COUNTER, "Records that replays published.", "pipeline", \
      NULL)                                                                                        \
    X(PUBLISH_RETRIES, "moongate_publish_retries_total", COUNTER, "Messages sent again.",          \
      "pipeline", NULL)                                                                            \
    X(PIPELINE_LAG_EVENTS, "moongate_pipeline_lag_events", GAUGE,                                  \
      "Records in the log that the pipeline has not settled.", "pipeline", NULL)                   \
    X(PIPELINE_LAG_SECONDS, "moongate_pipeline_lag_seconds", SECONDS,                              \
      "Age of the oldest record that the pipeline has not settled.", "pipeline", NULL)             \
    X(PIPELINE_UP, "moongate_pipeline_up", GAUGE,                                                  \
      "1 while the pipeline delivers, 0 when it is stopped or its destination fails.", "pipeline", \
      NULL)                                                                                        \
    X(LOG_BYTES, "moongate_log_bytes", GAUGE, "Bytes of the log's segments in use.", NULL, NULL)   \
    X(LOG_EVENTS, "moongate_log_events", GAUGE, "Records that some pipeline has not settled.",     \
      NULL, NULL)                                                                                  \
    X(LOG_ORPHAN_CURSORS, "moongate_log_orphan_cursors", GAUGE,                                    \
      "Cursors of pipelines that are no longer configured; they keep their records.", NULL, NULL)  \
    X(LOG_COMMIT_SECONDS, "moongate_log_commit_seconds", HISTOGRAM,                                \
      "Time to write and sync one commit group.", NULL, NULL)                                      \
    X(ACK_SECONDS, "moongate_ack_seconds", HISTOGRAM, "From a whole request to its answer.",       \
      "ingest", NULL)                                                                              \
    X(HOOK_SECONDS, "moongate_hook_seconds", HISTOGRAM, "Time of one hook call.", "pipeline",      \
      "hook")                                                                                      \
    X(PUBLISH_SECONDS, "moongate_publish_seconds", HISTOGRAM,                                      \
      "From handing a message to the publisher to its result.", "pipeline", NULL)                  \
    X(END_TO_END_SECONDS, "moongate_end_to_end_seconds", HISTOGRAM,                                \
      "From receiving an event to its delivery.", "pipeline", NULL)                                \
    X(HOOK_MEMORY_BYTES, "moongate_hook_memory_bytes", GAUGE,                                      \
      "Bytes in the pipeline's Lua states.", "pipeline", NULL)                                     \
    X(HOOK_ERRORS, "moongate_hook_errors_total", COUNTER,                                          \
      "Hook calls that failed or were stopped.", "pipeline", "hook")                               \
    X(SCRIPT_RELOADS, "moongate_script_reloads_total", COUNTER,                                    \
      "Newer scripts that a pipeline was given, and those that it was not.", "result", NULL)       \
    X(BUILD_INFO, "moongate_build_info", GAUGE, "1; the version is a label.", "version", NULL)     \
    X(PROCESS_RESIDENT_MEMORY, "process_resident_memory_bytes", GAUGE, "Resident memory.", NULL,   \
      NULL)                                                                                        \
    X(PROCESS_CPU_SECONDS, "process_cpu_seconds_total", SECONDS, "User and system CPU time.",      \
      NULL, NULL)                                                                                  \
    X(PROCESS_OPEN_FDS, "process_open_fds", GAUGE, "Open file descriptors.", NULL, NULL)           \
    X(PROCESS_START_TIME, "process_start_time_seconds", SECONDS, "Start since 1970.", NULL, NULL)

#define GW_METRIC_ENUM(id, name, type, help, l1, l2) GW_M_##id,
enum gw_metric { GW_METRICS(GW_METRIC_ENUM) GW_M_COUNT };

#endif
