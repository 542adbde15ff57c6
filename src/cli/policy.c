/* policy.c: policy show, set, template. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHANGES 256u /* of one command */

enum { KIND_FLAG, KIND_NUMBER, KIND_CURVES, KIND_USE, KIND_CLOSED };
enum { BY_OFFICER, BY_BOTH };
enum { DESTROYS_NEVER, DESTROYS_UP, DESTROYS_DOWN };

static const struct row {
	uint32_t number;
	const char *name;
	int kind, who, destroys;
	uint64_t least, most;
	const char *help;
} rows[] = {
#define POLICY(number, id, name, kind, strict, open, least, most, who, destroys, help) \
	{ number, name, KIND_##kind, BY_##who, DESTROYS_##destroys, least, most, help },
#include "policies.def"
#undef POLICY
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct {
	uint64_t bit;
	const char *name;
} curves[] = {
	{ 1, "nist" }, { 2, "brainpool" }, { 4, "secp256k1" }, { 8, "edwards" }, { 16, "montgomery" },
};
#define CURVES (sizeof(curves) / sizeof(curves[0]))

/* words: what a kind's values are called, beginning with 0. */
static const char *const words[][5] = {
	[KIND_FLAG] = { "no", "yes", NULL },
	[KIND_NUMBER] = { NULL },
	[KIND_CURVES] = { NULL },
	[KIND_USE] = { "none", "every", "counted", "first", NULL },
	[KIND_CLOSED] = { "administration", "changes", "everything", NULL },
};

static const char *word_of(int kind, uint64_t v)
{
	for (size_t i = 0; words[kind][i] != NULL; i++)
		if (i == v)
			return words[kind][i];
	return NULL;
}

static const struct row *row_named(const char *s, size_t n)
{
	for (size_t i = 0; i < ROWS; i++) {
		char number[16];

		snprintf(number, sizeof(number), "%u", rows[i].number);
		if ((strlen(rows[i].name) == n && strncmp(rows[i].name, s, n) == 0) ||
		    (strlen(number) == n && strncmp(number, s, n) == 0))
			return &rows[i];
	}
	return NULL;
}

static const struct row *row_numbered(uint32_t number)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].number == number)
			return &rows[i];
	return NULL;
}

/* --- values as text ------------------------------------------------------------ */

static void value_text(const struct row *w, uint64_t v, char *out, size_t n)
{
	size_t at = 0;

	if (w != NULL && word_of(w->kind, v) != NULL)
		snprintf(out, n, "%s", word_of(w->kind, v));
	else if (w == NULL || w->kind != KIND_CURVES)
		snprintf(out, n, "%llu", (unsigned long long)v);
	else if (v == 0)
		snprintf(out, n, "none");
	else
		for (size_t i = 0; i < CURVES; i++)
			if ((v & curves[i].bit) != 0)
				at += (size_t)snprintf(out + at, n - at, "%s%s", at > 0 ? "+" : "",
					curves[i].name);
}

static bool curves_of(const char *s, uint64_t *ret)
{
	uint64_t bits = 0;

	if (strcmp(s, "none") == 0) {
		*ret = 0;
		return true;
	}
	for (;;) {
		size_t len = strcspn(s, "+"), i = 0;

		while (i < CURVES && (strlen(curves[i].name) != len || strncmp(s, curves[i].name, len) != 0))
			i++;
		if (i == CURVES)
			return false;
		bits |= curves[i].bit;
		if (s[len] == '\0')
			break;
		s += len + 1;
	}
	*ret = bits;
	return true;
}

static bool value_of(const struct row *w, const char *s, uint64_t *ret)
{
	for (size_t i = 0; words[w->kind][i] != NULL; i++)
		if (strcmp(words[w->kind][i], s) == 0) {
			*ret = i;
			return true;
		}
	if (w->kind == KIND_CURVES && curves_of(s, ret))
		return true;
	return cli_number(s, w->least, w->most, ret);
}

/* bad_change: what is wrong with POLICY=VALUE; an exit code. */
static int bad_change(const char *arg, const struct row *w)
{
	char text[96] = "";
	size_t n = 0;

	if (w == NULL)
		return cli_usage("'%s' is not POLICY=VALUE; 'holdfast policy show' lists policies and values",
			arg);
	if (w->kind == KIND_NUMBER)
		snprintf(text, sizeof(text), "a number from %llu to %llu", (unsigned long long)w->least,
			(unsigned long long)w->most);
	for (size_t i = 0; words[w->kind][i] != NULL; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? ", " : "one of ",
			words[w->kind][i]);
	for (size_t i = 0; w->kind == KIND_CURVES && i < CURVES; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? ", " : "some of ",
			curves[i].name);
	return cli_usage("'%s': the policy is %s", arg, text);
}

/* --- reading --------------------------------------------------------------------- */

static bool get(struct cli *c, struct partition_info *p, struct policy_value_list *ret)
{
	struct policy_get_req q;
	struct policy_get_res r;
	enum hf_err e;

	if (!cli_partition(c, c->opt[OPT_PARTITION], p))
		return false;
	q.serial = p->serial;
	e = do_policy_get(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK) {
		cli_fail("policies", e);
		return false;
	}
	*ret = r.policies;
	return true;
}

static json_t *json_policy(const struct policy_value *v)
{
	static const char *const who[] = { "officer", "officer and HSM officer" };
	static const char *const destroys[] = { "never", "when raised", "when lowered" };
	const struct row *w = row_numbered(v->number);
	char text[80];

	value_text(w, v->value, text, sizeof(text));
	return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s}", "number", (json_int_t)v->number, "policy",
		w != NULL ? w->name : "?", "value", text, "changed by", w != NULL ? who[w->who] : "?",
		"destroys objects", w != NULL ? destroys[w->destroys] : "?", "meaning",
		w != NULL ? w->help : "of a newer version");
}

/* show prints the policies whose names begin so. */
static int show(struct cli *c, const char *begins)
{
	struct policy_value_list l;
	struct partition_info p;
	json_t *a = json_array();

	if (!get(c, &p, &l))
		return EXIT_FAILED;
	for (size_t i = 0; i < l.n; i++) {
		const struct row *w = row_numbered(l.v[i].number);

		if (w == NULL ? *begins == '\0' : strncmp(w->name, begins, strlen(begins)) == 0)
			json_array_append_new(a, json_policy(&l.v[i]));
	}
	cli_print(c, a);
	return EXIT_DONE;
}

int cmd_policy_show(struct cli *c)
{
	return show(c, "");
}

int cmd_audit_config(struct cli *c)
{
	for (int i = 0; i < c->arg_count; i++)
		if (strncmp(c->args[i], "audit-", 6) != 0)
			return cli_usage("'%s' is no policy of the audit log: their names begin with audit-",
				c->args[i]);
	return c->arg_count > 0 ? cmd_policy_set(c) : show(c, "audit-");
}

/* --- changing -------------------------------------------------------------------- */

struct changes {
	struct policy_value v[CHANGES];
	size_t n;
};

static uint64_t value_now(struct policy_value_list l, uint32_t number)
{
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i].number == number)
			return l.v[i].value;
	return 0;
}

static bool destroys(const struct row *w, uint64_t now, uint64_t next)
{
	return (w->destroys == DESTROYS_UP && next > now) ||
	       (w->destroys == DESTROYS_DOWN && next < now);
}

/* sure asks when objects will go, naming the policies that say so. */
static bool sure(struct cli *c, const struct partition_info *p, struct policy_value_list now,
	const struct changes *ch, bool *ret_destroys)
{
	char question[400];
	size_t at = 0;

	for (size_t i = 0; i < ch->n; i++) {
		const struct row *w = row_numbered(ch->v[i].number);

		if (destroys(w, value_now(now, w->number), ch->v[i].value) && at < 200)
			at += (size_t)snprintf(question + at, sizeof(question) - at, "%s%s",
				at > 0 ? ", " : "", w->name);
	}
	*ret_destroys = at > 0;
	if (at == 0)
		return true;
	snprintf(question + at, sizeof(question) - at,
		": this change destroys all objects of '%.*s' for good. Go on?", (int)p->label.n,
		(const char *)p->label.p);
	return cli_sure(c, question);
}

static int change(struct cli *c, const struct changes *ch)
{
	CLEANUP(secret_done) struct secret so = { 0 };
	struct policy_set_req q = { .changes = { ch->v, ch->n } };
	struct policy_set_res r;
	struct policy_value_list now;
	struct partition_info p;
	enum hf_err e;

	if (!get(c, &p, &now) || !sure(c, &p, now, ch, &q.destroy))
		return EXIT_FAILED;
	if (cli_pin(c, OPT_SO_FILE, OPT_SO_FD, "PIN of the security officer", false, &so) != HF_OK)
		return EXIT_FAILED;
	q.serial = p.serial;
	q.so_pin = secret_slice(&so);
	e = do_policy_set(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("policy", e);
	if (r.destroyed)
		fputs("holdfast: all objects of the partition were destroyed\n", stderr);
	return EXIT_DONE;
}

static bool add_change(struct changes *ch, const struct row *w, const char *value)
{
	if (w == NULL || ch->n == CHANGES || !value_of(w, value, &ch->v[ch->n].value))
		return false;
	ch->v[ch->n++].number = w->number;
	return true;
}

int cmd_policy_set(struct cli *c)
{
	struct changes ch = { .n = 0 };

	for (int i = 0; i < c->arg_count; i++) {
		const char *eq = strchr(c->args[i], '=');
		const struct row *w = eq != NULL ? row_named(c->args[i], (size_t)(eq - c->args[i])) : NULL;

		if (w == NULL || !add_change(&ch, w, eq + 1))
			return bad_change(c->args[i], w);
	}
	return change(c, &ch);
}

/* --- templates --------------------------------------------------------------------- */

/* A template is a JSON object {"policy": "value"}. */
static json_t *template_of(struct policy_value_list l)
{
	json_t *o = json_object();
	char text[80];

	for (size_t i = 0; i < l.n; i++) {
		const struct row *w = row_numbered(l.v[i].number);

		value_text(w, l.v[i].value, text, sizeof(text));
		if (w != NULL)
			json_object_set_new(o, w->name, json_string(text));
	}
	return o;
}

static int save(struct cli *c)
{
	struct policy_value_list l;
	struct partition_info p;
	json_t *o;
	int bad;

	if (!get(c, &p, &l))
		return EXIT_FAILED;
	o = template_of(l);
	if (c->opt[OPT_OUT])
		bad = json_dump_file(o, c->opt[OPT_OUT], JSON_INDENT(2));
	else
		bad = json_dumpf(o, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF;
	json_decref(o);
	return bad ? cli_usage("cannot write '%s'", c->opt[OPT_OUT]) : EXIT_DONE;
}

static bool read_changes(json_t *o, struct changes *ch)
{
	const char *name;
	json_t *v;

	json_object_foreach(o, name, v) {
		const char *text = json_string_value(v);

		if (text == NULL || !add_change(ch, row_named(name, strlen(name)), text)) {
			cli_usage("the template's '%s' is no policy, or cannot have that value", name);
			return false;
		}
	}
	return true;
}

static bool load(struct cli *c, struct changes *ch)
{
	json_error_t err;
	json_t *o;
	bool ok;

	if (!c->opt[OPT_IN]) {
		cli_usage("--in names the template");
		return false;
	}
	o = json_load_file(c->opt[OPT_IN], JSON_REJECT_DUPLICATES, &err);
	if (o == NULL || !json_is_object(o)) {
		cli_usage("'%s' is no template: %s", c->opt[OPT_IN], err.text);
		json_decref(o);
		return false;
	}
	ok = read_changes(o, ch);
	json_decref(o);
	return ok;
}

/* compare tells what differs; its exit code says whether anything does. */
static int compare(struct cli *c, const struct changes *ch)
{
	struct policy_value_list now;
	struct partition_info p;
	json_t *a = json_array();
	size_t n;

	if (!get(c, &p, &now))
		return EXIT_FAILED;
	for (size_t i = 0; i < ch->n; i++) {
		const struct row *w = row_numbered(ch->v[i].number);
		uint64_t is = value_now(now, w->number), want = ch->v[i].value;
		char is_text[80], want_text[80];

		value_text(w, is, is_text, sizeof(is_text));
		value_text(w, want, want_text, sizeof(want_text));
		if (is != want)
			json_array_append_new(a, json_pack("{s:s, s:s, s:s, s:b}", "policy", w->name,
				"partition", is_text, "template", want_text, "applying destroys objects",
				destroys(w, is, want)));
	}
	n = json_array_size(a);
	cli_print(c, a);
	return n == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_policy_template(struct cli *c)
{
	struct changes ch = { .n = 0 };

	if (strcmp(c->args[0], "save") == 0)
		return save(c);
	if (strcmp(c->args[0], "apply") == 0)
		return load(c, &ch) ? change(c, &ch) : EXIT_FAILED;
	if (strcmp(c->args[0], "compare") == 0)
		return load(c, &ch) ? compare(c, &ch) : EXIT_FAILED;
	return cli_usage("'policy template' wants save, apply or compare, not '%s'", c->args[0]);
}
