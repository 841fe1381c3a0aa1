#ifndef GW_CONFIG_SECTION_H
#define GW_CONFIG_SECTION_H

#include "config/assemble.h"
#include "config/flyteadmin.h"
#include "flyte/flyte.h"

struct gw_publisher_ops;

/* Inside the room: a section of FlyteAdmin's on its way to a pipeline. */

/* What type: sends with, and how its keys become a publisher's. To add one: its row in
 * section_map.c. */
struct gw_mapping;
struct gw_section;
struct gw_section_type {
    const char *name, *publisher; /* FlyteAdmin's type and ours */
    int cloud_only;               /* FlyteAdmin's externalEvents do not have it */
    void (*check)(struct gw_section *s, struct gw_problems *p);
    void (*map)(const struct gw_mapping *m, struct gw_yaml *publisher);
};

struct gw_section {
    const char *name;     /* as the file spells it */
    const char *pipeline; /* cloud_events or external_events */
    int external;
    const struct gw_yaml *key, *yaml; /* where it stands */
    const struct gw_flyteadmin_conf *conf;
    const struct gw_section_type *type; /* NULL: it makes no pipeline */
    enum gw_style style;
    int kinds[3];                        /* workflow, node, task: it sends them */
    const char *password;                /* Kafka's */
    const struct gw_yaml *password_file; /* names the file that it comes from; NULL: none */
    int broken;                          /* an error was told of it */
};

/* NULL past the last. */
const struct gw_section_type *gw_section_type_at(size_t i);
/* The pipeline that the section says, as a file would say it: each value stands where the section
 * has it. files: secrets are named by their files where they come from some, as needed for telling
 * whether two sections say the same. */
struct gw_yaml *gw_section_map(const struct gw_section *s, int files, struct gw_arena *mem);

/* Fills type, style and kinds, and tells what is wrong with the section and what FlyteAdmin would
 * do otherwise. */
void gw_section_check(struct gw_section *s, const struct gw_load *l);
/* Its ids have Go's spaces in them. */
int gw_section_has_spacing(const struct gw_section *s);
/* What is sent, in the words of `check` and of the log. */
const char *gw_section_says(const struct gw_section *s, struct gw_arena *mem);
/* What the types want (section_kafka.c, section_types.c). */
void gw_section_check_kafka(struct gw_section *s, struct gw_problems *p);
void gw_section_check_aws(struct gw_section *s, struct gw_problems *p);
void gw_section_check_gcp(struct gw_section *s, struct gw_problems *p);
void gw_section_check_nats(struct gw_section *s, struct gw_problems *p);

/* The value of "kafka.brokers", or the deepest part of the path that stands there; the section's
 * key if nothing does. */
const struct gw_yaml *gw_section_at(const struct gw_section *s, const char *path);
int gw_section_has(const struct gw_section *s, const char *path);
/* NAME.PATH: text, at the value of path. */
void gw_section_tell(const struct gw_section *s, struct gw_problems *p, int severity,
                     const char *path, const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* The same of an item of the list at path. */
void gw_section_tell_item(const struct gw_section *s, struct gw_problems *p, int severity,
                          const char *path, size_t i, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));
/* NAME.PATH text: what is absent. Nothing is told where an error has been: the key may be
 * misspelt. */
void gw_section_lacks(const struct gw_section *s, struct gw_problems *p, int severity,
                      const char *path, const char *text);
/* NAME: text, at the section's key. */
void gw_section_tell_all(const struct gw_section *s, struct gw_problems *p, int severity,
                         const char *text);

/* Without white space at both ends. */
const char *gw_section_trimmed(struct gw_arena *mem, const char *text);

/* Takes out of a mapping what is FlyteAdmin's or its chart's, and tells of keys that nobody knows;
 * whole: the mapping before anything was taken out; fields: what is ours. Some keys are ours and
 * theirs: such a mapping is theirs if it has none of our keys, and some of theirs. */
void gw_foreign_take_out(struct gw_yaml *map, const struct gw_yaml *whole,
                         const struct gw_field *fields, struct gw_problems *p);
/* Those of theirs: below flyteadmin and admin, NULL-terminated. */
extern const char *const gw_foreign_flyteadmin[], *const gw_foreign_admin[];
/* What lets a schema of the main file take them, too, next to a section: members of an object. */
void gw_foreign_put_schema(struct gw_buf *out);
/* Of sections, and of pipelines in any file: do they send to where the notifications of FlyteAdmin
 * go? */
void gw_config_check_notifications(const struct gw_load *l);

#endif
