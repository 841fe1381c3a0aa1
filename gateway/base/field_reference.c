#include "base/buf.h"
#include "base/field.h"
#include "base/field_text.h"

#include <stdio.h>

/* The reference page of field tables, in Markdown: a section for each table, a row for each key. */

enum { MAX_PATH = 200 };

static void put_table(struct gw_buf *b, const struct gw_field *fields, const char *path);

/* | would end the cell. */
static void put_cell(struct gw_buf *b, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            gw_buf_putc(b, '\\');
        gw_buf_putc(b, *text);
    }
}

static void put_range(struct gw_buf *b, const struct gw_field *f)
{
    char min[GW_NUMBER_TEXT], max[GW_NUMBER_TEXT];

    if (f->min || f->max)
        gw_buf_printf(b, ", %s to %s", gw_field_number(f, f->min, min),
                      gw_field_number(f, f->max, max));
}

static void put_choices(struct gw_buf *b, const struct gw_field *f)
{
    for (size_t i = 0; f->choices[i]; i++)
        gw_buf_printf(b, "%s`%s`", i ? ", " : "", f->choices[i]);
}

static void put_variants(struct gw_buf *b, const struct gw_field *f)
{
    const struct gw_variant *v;

    gw_buf_puts(b, "by its `type`: ");
    for (size_t i = 0; (v = f->variant(i)); i++)
        gw_buf_printf(b, "%s`%s`", i ? ", " : "", v->name);
}

static void put_type(struct gw_buf *b, const struct gw_field *f)
{
    static const char *const names[] = {
        [GW_F_STR] = "text",          [GW_F_BOOL] = "true or false",
        [GW_F_INT] = "number",        [GW_F_SIZE] = "size",
        [GW_F_DURATION] = "duration", [GW_F_STRS] = "list",
        [GW_F_MAP] = "mapping",       [GW_F_VALUE] = "any",
        [GW_F_TABLE] = "mapping",     [GW_F_TABLES] = "list of mappings"};

    if (f->type == GW_F_CHOICE)
        put_choices(b, f);
    else if (f->type == GW_F_UNION)
        put_variants(b, f);
    else
        gw_buf_puts(b, f->path ? "path" : names[f->type]);
    if (f->type == GW_F_STRS && f->path)
        gw_buf_puts(b, " or a list of them");
    if (f->comma)
        gw_buf_puts(b, ", or text with commas");
    put_range(b, f);
    if (f->secret)
        gw_buf_printf(b, "; or `%s_file`", f->name);
}

static void put_row(struct gw_buf *b, const struct gw_field *f)
{
    gw_buf_printf(b, "| `%s`", f->name);
    if (f->alias)
        gw_buf_printf(b, " (`%s`)", f->alias);
    gw_buf_puts(b, " | ");
    put_type(b, f);
    gw_buf_puts(b, " | ");
    if (f->required)
        gw_buf_puts(b, "required");
    else if (f->def)
        gw_buf_printf(b, "`%s`", f->def);
    gw_buf_puts(b, " | ");
    put_cell(b, f->help ? f->help : "");
    gw_buf_puts(b, " |\n");
}

static void put_below(struct gw_buf *b, const struct gw_field *f, const char *path)
{
    const struct gw_variant *v;
    char below[MAX_PATH];

    snprintf(below, sizeof(below), "%s%s%s%s", path, *path ? "." : "", f->name,
             f->type == GW_F_TABLES ? "[]" : "");
    if (f->type == GW_F_TABLE || f->type == GW_F_TABLES) {
        gw_buf_printf(b, "\n## %s\n\n%s\n", below, f->help ? f->help : "");
        put_table(b, f->fields, below);
    }
    if (f->type != GW_F_UNION)
        return;
    for (size_t i = 0; (v = f->variant(i)); i++) {
        gw_buf_printf(b, "\n## %s: type: %s\n\n%s\n", below, v->name, v->help ? v->help : "");
        put_table(b, v->fields, below);
    }
}

static void put_table(struct gw_buf *b, const struct gw_field *fields, const char *path)
{
    if (fields->name)
        gw_buf_puts(b, "\n| key | value | default | |\n|---|---|---|---|\n");
    for (const struct gw_field *f = fields; f->name; f++)
        put_row(b, f);
    for (const struct gw_field *f = fields; f->name; f++)
        put_below(b, f, path);
}

void gw_fields_reference(const struct gw_field *fields, struct gw_buf *out)
{
    put_table(out, fields, "");
}
