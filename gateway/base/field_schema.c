#include "base/buf.h"
#include "base/field.h"
#include "base/json.h"

/* JSON Schema 2020-12 of field tables, for editors. A value may be left empty (null), and a number
 * or a choice may come from the environment. */

#define ENV_PATTERN "{\"type\":\"string\",\"pattern\":\"[$][{]\"}"

static void put_fields(struct gw_buf *b, const struct gw_field *fields, const char *type);

static void put_member(struct gw_buf *b, const char *name, const char *value)
{
    gw_json_put_key(b, 0, gw_str_of(name));
    gw_json_put_string(b, gw_str_of(value));
}

static void put_bounds(struct gw_buf *b, const struct gw_field *f)
{
    if (!f->min && !f->max)
        return;
    gw_buf_puts(b, ",\"minimum\":");
    gw_buf_put_i64(b, f->min);
    gw_buf_puts(b, ",\"maximum\":");
    gw_buf_put_i64(b, f->max);
}

static void put_choices(struct gw_buf *b, const struct gw_field *f)
{
    gw_buf_puts(b, "\"anyOf\":[{\"enum\":[");
    for (size_t i = 0; f->choices[i]; i++) {
        if (i)
            gw_buf_putc(b, ',');
        gw_json_put_string(b, gw_str_of(f->choices[i]));
    }
    gw_buf_puts(b, ",null]}," ENV_PATTERN "]");
}

static void put_union(struct gw_buf *b, const struct gw_field *f)
{
    const struct gw_variant *v;

    gw_buf_puts(b, "\"oneOf\":[");
    for (size_t i = 0; (v = f->variant(i)); i++) {
        gw_buf_puts(b, i ? ",{" : "{");
        put_fields(b, v->fields, v->name);
        if (v->help)
            put_member(b, "description", v->help);
        gw_buf_putc(b, '}');
    }
    gw_buf_putc(b, ']');
}

static void put_scalar(struct gw_buf *b, const struct gw_field *f)
{
    switch (f->type) {
    case GW_F_BOOL:
        if (f->weak) {
            gw_buf_puts(b, "\"type\":[\"boolean\",\"string\",\"integer\",\"null\"]");
            break;
        }
        gw_buf_puts(b, "\"anyOf\":[{\"type\":[\"boolean\",\"null\"]}," ENV_PATTERN "]");
        break;
    case GW_F_INT:
        if (f->weak) {
            gw_buf_puts(b, "\"type\":[\"integer\",\"string\",\"boolean\",\"null\"]");
            break;
        }
        gw_buf_puts(b, "\"anyOf\":[{\"type\":[\"integer\",\"null\"]");
        put_bounds(b, f);
        gw_buf_puts(b, "}," ENV_PATTERN "]");
        break;
    case GW_F_SIZE:
        gw_buf_puts(b, "\"anyOf\":[{\"type\":[\"integer\",\"null\"]");
        put_bounds(b, f);
        gw_buf_puts(b, "},{\"type\":\"string\",\"pattern\":"
                       "\"^[0-9]+(B|[kKMGT]B|[KMGT]iB)?$|[$][{]\"}]");
        break;
    case GW_F_DURATION:
        gw_buf_puts(b, "\"type\":[\"string\",\"integer\",\"null\"],\"pattern\":"
                       "\"^([0-9]+(ms|s|m|h))+$|^0$|[$][{]\",\"maximum\":0");
        break;
    case GW_F_CHOICE:
        put_choices(b, f);
        break;
    default:
        gw_buf_puts(b, "\"type\":[\"string\",\"number\",\"boolean\",\"null\"]");
    }
}

/* One of the names stands in the object. */
static void put_one_of(struct gw_buf *b, const char *const *names)
{
    gw_buf_puts(b, "\"anyOf\":[");
    for (size_t i = 0; names[i]; i++)
        gw_buf_printf(b, "%s{\"required\":[\"%s\"]}", i ? "," : "", names[i]);
    gw_buf_putc(b, ']');
}

/* A mapping with one of their keys and none of ours is theirs, and may hold anything. */
static void put_table(struct gw_buf *b, const struct gw_field *f)
{
    const char *ours[64];
    size_t n = 0;

    if (!f->theirs) {
        put_fields(b, f->fields, NULL);
        return;
    }
    gw_buf_puts(b, "\"anyOf\":[{");
    put_fields(b, f->fields, NULL);
    gw_buf_puts(b, "},{\"type\":\"object\",");
    put_one_of(b, f->theirs);
    for (const struct gw_field *of = f->fields; of->name && n < 63; of++)
        ours[n++] = of->name;
    ours[n] = NULL;
    gw_buf_puts(b, ",\"not\":{");
    put_one_of(b, ours);
    gw_buf_puts(b, "}}]");
}

static void put_type(struct gw_buf *b, const struct gw_field *f)
{
    static const char text[] = "{\"type\":[\"string\",\"number\",\"boolean\",\"null\"]}";

    switch (f->type) {
    case GW_F_STRS:
        gw_buf_printf(b, "\"anyOf\":[%s,{\"type\":\"array\",%s\"items\":%s}]", text,
                      f->required ? "\"minItems\":1," : "", text);
        break;
    case GW_F_MAP:
        gw_buf_printf(b, "\"type\":[\"object\",\"null\"],\"additionalProperties\":%s", text);
        break;
    case GW_F_VALUE:
        gw_buf_puts(b,
                    "\"type\":[\"object\",\"array\",\"string\",\"number\",\"boolean\",\"null\"]");
        break;
    case GW_F_TABLE:
        put_table(b, f);
        break;
    case GW_F_TABLES:
        gw_buf_puts(b, "\"type\":[\"array\",\"null\"],\"items\":{");
        put_fields(b, f->fields, NULL);
        gw_buf_putc(b, '}');
        break;
    case GW_F_UNION:
        put_union(b, f);
        break;
    default:
        put_scalar(b, f);
    }
}

static void put_property(struct gw_buf *b, const struct gw_field *f, const char *name,
                         const char *suffix, int *first)
{
    if (!*first)
        gw_buf_putc(b, ',');
    *first = 0;
    gw_buf_printf(b, "\"%s%s\":{", name, suffix);
    if (*suffix)
        gw_buf_puts(b, "\"type\":[\"string\",\"null\"]");
    else
        put_type(b, f);
    if (f->help)
        put_member(b, "description", f->help);
    if (f->def && !*suffix)
        put_member(b, "default", f->def);
    gw_buf_putc(b, '}');
}

/* The members of an object's schema; type: of the variant of a union. */
static void put_fields(struct gw_buf *b, const struct gw_field *fields, const char *type)
{
    int first = 1;

    gw_buf_puts(b, type ? "\"type\":\"object\"" : "\"type\":[\"object\",\"null\"]");
    gw_buf_puts(b, ",\"additionalProperties\":false,\"properties\":{");
    if (type) {
        gw_buf_puts(b, "\"type\":{\"enum\":[");
        gw_json_put_string(b, gw_str_of(type));
        /* publisher: {type: null} */
        gw_buf_puts(b, strcmp(type, "null") != 0 ? "]}" : ",null]}");
        first = 0;
    }
    for (const struct gw_field *f = fields; f->name; f++) {
        put_property(b, f, f->name, "", &first);
        if (f->alias)
            put_property(b, f, f->alias, "", &first);
        if (f->secret)
            put_property(b, f, f->name, "_file", &first);
    }
    gw_buf_puts(b, "},\"required\":[");
    if (type)
        gw_buf_puts(b, "\"type\"");
    first = !type;
    for (const struct gw_field *f = fields; f->name; f++)
        if (f->required && !f->secret) {
            gw_buf_printf(b, "%s\"%s\"", first ? "" : ",", f->name);
            first = 0;
        }
    gw_buf_putc(b, ']');
}

void gw_fields_schema(const struct gw_field *fields, struct gw_buf *out)
{
    gw_buf_putc(out, '{');
    put_fields(out, fields, NULL);
    gw_buf_putc(out, '}');
}
