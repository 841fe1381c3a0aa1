#include "base/problems.h"
#include "base/yaml.h"
#include "log/log.h"

#include <sys/stat.h>

/* The keys of `log`. */

static const char *const types[] = {"embedded", "memory", NULL};
static const char *const durabilities[] = {"fsync", "os", NULL};

enum { MIB = 1024 * 1024 };
#define TIB (1024L * 1024 * MIB)

const struct gw_field gw_log_fields[] = {
    {"type", GW_F_CHOICE, offsetof(struct gw_log_conf, type), .def = "embedded",
     .help = "embedded: segment files in path; memory: nothing survives (tests, benchmarks).",
     .choices = types},
    {"path", GW_F_STR, offsetof(struct gw_log_conf, path), .def = "./moongate-data",
     .help = "The data directory; one gateway at a time.", .path = 1},
    {"durability", GW_F_CHOICE, offsetof(struct gw_log_conf, durability), .def = "fsync",
     .help = "fsync: what is acknowledged survives a power cut; os: a crash of the process.",
     .choices = durabilities},
    {"max_bytes", GW_F_SIZE, offsetof(struct gw_log_conf, max_bytes), .def = "8GiB",
     .help = "Full: new events are refused; what a pipeline has not settled is never dropped.",
     .min = MIB, .max = 1024 * TIB},
    {"retain", GW_F_DURATION, offsetof(struct gw_log_conf, retain_ms), .def = "0s",
     .help = "How long settled records are kept, while there is room.",
     .max = 10L * 366 * 86400 * 1000},
    {"segment_bytes", GW_F_SIZE, offsetof(struct gw_log_conf, segment_bytes), .def = "64MiB",
     .help = "Size of a segment file; at most a quarter of max_bytes is used.", .min = MIB,
     .max = TIB},
    {"allow_network_fs", GW_F_BOOL, offsetof(struct gw_log_conf, allow_network_fs), .def = "false",
     .help = "Take a path on NFS, SMB or the like, whose syncs and locks may not hold."},
    {0}};

void gw_log_check(const struct gw_log_conf *c, const struct gw_yaml *at, struct gw_problems *p)
{
    const struct gw_yaml *y = gw_yaml_get(at, "path");
    struct stat st;

    if (!y || !c->path)
        return;
    if (!*c->path)
        gw_problems_add(p, 0, y->file, y->line, y->column, "log.path: names no folder");
    else if (!stat(c->path, &st) && !S_ISDIR(st.st_mode))
        gw_problems_add(p, 0, y->file, y->line, y->column, "log.path: %s is a file, not a folder",
                        c->path);
}
