#ifndef GW_CONFIG_ASSEMBLE_H
#define GW_CONFIG_ASSEMBLE_H

#include "base/str.h"
#include "config/config.h"

struct gw_buf;
struct gw_field;
struct gw_yaml;

/* Inside the room: the steps of a load. */

/* Maxima for included files; 0, or a list without items array: this key bounds nothing. */
struct gw_config_guard {
    struct {
        int64_t instructions, memory, timeout_ms;
        struct gw_strs allow_hosts;
    } limits;
    struct gw_strs env, publishers, files;
};
extern const struct gw_field gw_config_guard_fields[];

/* One of the files that `include` adds. */
struct gw_included {
    const char *path;
    struct gw_str text;         /* what it holds */
    const struct gw_yaml *root; /* NULL: it cannot be read, or is no YAML */
    struct gw_list pipelines;   /* of struct gw_pipeline_conf */
    const char *why;            /* FILE:LINE:COLUMN and what; NULL: it is sound */
};

struct gw_section;

struct gw_load {
    struct gw_config *config;
    struct gw_problems *p;
    struct gw_yaml *root;                /* of the main file; a mapping */
    const struct gw_config_guard *guard; /* NULL: none */
    struct gw_included *included;
    size_t n_included;
    struct gw_included **from;   /* of each pipeline of the configuration; NULL: the main file */
    struct gw_section *sections; /* FlyteAdmin's own, taken out of root */
    size_t n_sections;
    const struct gw_yaml **beside; /* what they stood in, as it was */
    size_t n_beside;
    struct gw_pairs owners; /* names to files, from the last run */
    size_t pardoned;        /* errors at places in the main file that are an included file's */
    int failed;             /* the main file has errors */
};

/* The JSON Schema of a file that a table reads; put_more: members beside the table's, or NULL. */
void gw_config_put_schema(const struct gw_field *table, const char *title,
                          void (*put_more)(struct gw_buf *out), struct gw_buf *out);
/* The list of pipelines in a file; NULL: it has none. */
const struct gw_yaml *gw_config_pipelines(const struct gw_yaml *root);
/* Index of a key in any case; map->n: it is not there. */
size_t gw_config_find(const struct gw_yaml *map, const char *key);
/* FILE:LINE:COLUMN: what, on the arena. */
const char *gw_config_placed(struct gw_problems *p, const struct gw_yaml *at, const char *what);

/* FlyteAdmin's own sections, and (next to one) all that is FlyteAdmin's or its chart's: out of the
 * main file's root, before it is read by fields. */
void gw_config_find_sections(struct gw_load *l, const struct gw_field *fields);
extern const struct gw_field gw_config_section_fields[];
/* After the main file is read. */
void gw_config_read_sections(struct gw_load *l);
/* Appends their pipelines; how many. */
size_t gw_config_join_sections(struct gw_load *l);
/* There are sections, and no pipeline at all. */
void gw_config_refuse_nothing(struct gw_load *l);
/* Reads a pipeline from its mapping and appends it as the main file's. */
struct gw_pipeline_conf *gw_config_append_one(struct gw_load *l, struct gw_yaml *yaml);

/* Reads the files that the patterns of `include` name. */
void gw_config_include(struct gw_load *l, const struct gw_strs *patterns);
/* The names that a file which is no YAML seems to give to its pipelines: calls fn with each. */
void gw_config_guess_names(struct gw_str text, void (*fn)(void *ctx, struct gw_str name, int line),
                           void *ctx);
/* What the table cannot say of the guard itself: names that nothing has. */
void gw_config_check_guard(const struct gw_load *l);
/* Holds a pipeline of an included file to the guard. */
void gw_config_guard_check(const struct gw_load *l, struct gw_pipeline_conf *c);
/* What no included file may do, guard or none. */
void gw_config_check_harm(struct gw_load *l);
/* All pipelines into one list, the main file's first; without any: the built-in one. */
void gw_config_join(struct gw_load *l);
/* Each on its own. */
void gw_config_check_each(struct gw_load *l);
/* After every other check: what files do to each other, and who is down because of it. */
void gw_config_check_together(struct gw_load *l);
/* Of an included file the first problems are told, and how many more there are. */
void gw_config_shorten(struct gw_load *l);
/* Leaves out what is down and cannot be told by its name. */
void gw_config_prune(struct gw_load *l);

/* Also the scripts of what is down. */
void gw_config_check_all_scripts(const struct gw_config *c, struct gw_problems *p);

/* Notes the files that a mapping needs. */
void gw_config_note_files(struct gw_config *c, const struct gw_field *fields,
                          const struct gw_yaml *map, const struct gw_pipeline_conf *of);

#endif
