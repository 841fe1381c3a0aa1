#ifndef GW_CONFIG_CONFIG_H
#define GW_CONFIG_CONFIG_H

#include "admin/admin.h"
#include "hook/flyte_client.h"
#include "ingest/ingest.h"
#include "log/log.h"
#include "pipeline/pipeline.h"

#include <stddef.h>
#include <stdint.h>

struct gw_arena;
struct gw_buf;
struct gw_problems;

/* The whole configuration, assembled from the rooms' field tables. Immutable after load; a reload
 * builds a new one. */
struct gw_config {
    struct gw_arena *mem; /* owns everything here */
    const char *file;     /* the main one; "": the built-in defaults */
    const char *source;
    int64_t shutdown_timeout_ms;
    struct gw_ingest_conf *ingest;     /* never NULL after load: defaults when the key is absent */
    const struct gw_yaml *ingest_yaml; /* where that stands, for problems */
    struct gw_admin_conf admin;
    struct gw_log_conf log;
    struct gw_flyte_client_conf *flyteadmin; /* NULL: none */
    /* of struct gw_pipeline_conf; at least one, but for what broken files may hold. Those of a
     * broken file have `down` set, and no more than a name can be relied on. */
    struct gw_list pipelines;
    struct gw_strs broken;   /* included files with problems */
    struct gw_strs sections; /* what FlyteAdmin's own sections become, a sentence each */
    struct gw_list files;    /* of struct gw_config_file */
};

/* A file that values come from or that they name, beside the scripts and what these read: the
 * `_file` twin of a secret, a token file, certificates and keys. */
struct gw_config_file {
    const struct gw_pipeline_conf *of; /* NULL: of the gateway itself */
    const char *path;
};

/* path NULL: the built-in defaults. Every problem goes into p (p->mem is the configuration's
 * arena). NULL when the main file has errors; those of an included file leave its pipelines
 * down. */
struct gw_config *gw_config_load(const char *path, struct gw_problems *p);
/* As load, and loads every script as a worker would, also beside other problems. What it gives is
 * whole if p has no errors. */
const struct gw_config *gw_config_check(const char *path, struct gw_problems *p);
void gw_config_free(struct gw_config *c);
/* The folder that holds moongate/, our Lua modules: beside the program, or where it was installed.
 */
const char *gw_config_lua_path(struct gw_arena *mem);
/* The JSON Schema of the configuration, and of what an included file holds. */
void gw_config_schema(struct gw_buf *out);
void gw_config_included_schema(struct gw_buf *out);
/* Its reference page, in Markdown: gateway/config/reference.md. */
void gw_config_reference(struct gw_buf *out);
/* Problems carry the script's file and line. A configuration with problems may be incomplete. */
void gw_config_check_scripts(const struct gw_config *c, struct gw_problems *p);
/* Writes down which file's the names are, so that no other takes them (owners.h). Of what runs,
 * with the log's lock held. */
void gw_config_note_owners(const struct gw_config *c);
/* Every file whose change matters, in no order; one may come more than once. */
typedef void gw_config_file_fn(void *ctx, const struct gw_pipeline_conf *of, const char *path);
void gw_config_files(const struct gw_config *c, gw_config_file_fn *fn, void *ctx);

#endif
