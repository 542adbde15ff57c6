/* object.c: object list, show, delete. */
#include "cli.h"
#include "pkcs11_numbers.h"

#include <stdio.h>
#include <string.h>

static uint64_t number(struct slice s, uint64_t absent)
{
	return s.p != NULL && s.n == 8 ? get_u64(s.p) : absent;
}

static bool yes(struct slice s)
{
	return s.n == 1 && s.p[0] == 1;
}

static json_t *json_or_null(struct slice s, json_t *(*make)(struct slice))
{
	return s.n > 0 ? make(s) : json_null();
}

static json_t *json_object_line(struct cli *c, uint64_t session, uint64_t h)
{
	uint64_t cko = number(cli_attr(c, session, h, CKA_CLASS), UINT64_MAX);
	uint64_t ckk = number(cli_attr(c, session, h, CKA_KEY_TYPE), UINT64_MAX);

	return json_pack("{s:s, s:s, s:o, s:o, s:b, s:b, s:o}", "class", name_of_class(cko),
		"type", ckk == UINT64_MAX ? "-" : name_of_key_type(ckk),
		"label", json_or_null(cli_attr(c, session, h, CKA_LABEL), json_slice),
		"id", json_or_null(cli_attr(c, session, h, CKA_ID), json_hex),
		"private", yes(cli_attr(c, session, h, CKA_PRIVATE)),
		"extractable", yes(cli_attr(c, session, h, CKA_EXTRACTABLE)),
		"unique id", json_or_null(cli_attr(c, session, h, CKA_UNIQUE_ID), json_slice));
}

static bool found(struct cli *c, bool rw, uint64_t *session, struct u64_list *ret)
{
	struct attr token = { CKA_TOKEN, cli_true };
	struct attr_list t = cli_template(c, &token, 1);
	enum hf_err e;

	if (t.n == 0 || !cli_session(c, rw, session))
		return false;
	e = cli_find(c, *session, t, ret);
	if (e != HF_OK)
		cli_fail("finding objects", e);
	return e == HF_OK;
}

int cmd_object_list(struct cli *c)
{
	struct u64_list l;
	uint64_t session;
	json_t *a = json_array();

	if (!found(c, false, &session, &l))
		return EXIT_FAILED;
	for (size_t i = 0; i < l.n; i++)
		json_array_append_new(a, json_object_line(c, session, l.v[i]));
	cli_print(c, a);
	return EXIT_DONE;
}

static json_t *json_value(const struct attr_name *a, struct slice v)
{
	if (strcmp(a->kind, "BOOL") == 0)
		return json_boolean(yes(v));
	if (a->type == CKA_CLASS)
		return json_string(name_of_class(number(v, 0)));
	if (a->type == CKA_KEY_TYPE)
		return json_string(name_of_key_type(number(v, 0)));
	if (a->type == CKA_KEY_GEN_MECHANISM && name_of_mechanism(number(v, 0)) != NULL)
		return json_string(name_of_mechanism(number(v, 0)));
	if (strcmp(a->kind, "ULONG") == 0)
		return number(v, UINT64_MAX) == UINT64_MAX ? json_null() :
							     json_integer((json_int_t)number(v, 0));
	if (a->type == CKA_LABEL || a->type == CKA_APPLICATION || a->type == CKA_UNIQUE_ID ||
	    strcmp(a->kind, "DATE") == 0)
		return json_slice(v);
	return json_hex(v);
}

static json_t *json_attributes(struct cli *c, uint64_t session, uint64_t h)
{
	size_t n;
	const struct attr_name *names = attr_names(&n);
	uint32_t *types = arena_alloc(&c->arena, n, sizeof(*types));
	struct attr_get_req q = { .object = h };
	struct attr_get_res r;
	json_t *o = json_object();

	if (types == NULL)
		return o;
	for (size_t i = 0; i < n; i++)
		types[i] = names[i].type;
	q.types = (struct u32_list){ types, n };
	if (do_attr_get(c->client, session, &q, &r, &c->arena) != HF_OK || r.got.n != n)
		return o;
	for (size_t i = 0; i < n; i++) {
		if (r.got.v[i].found == ATTR_SENSITIVE)
			json_object_set_new(o, names[i].name, json_string("(never told)"));
		else if (r.got.v[i].found == ATTR_FOUND)
			json_object_set_new(o, names[i].name, json_value(&names[i], r.got.v[i].value));
	}
	return o;
}

int cmd_object_show(struct cli *c)
{
	struct u64_list l;
	uint64_t session;
	json_t *a = json_array();

	if (!found(c, false, &session, &l))
		return EXIT_FAILED;
	if (l.n == 0)
		return cli_usage("no object matches; see 'holdfast object list'");
	for (size_t i = 0; i < l.n; i++) {
		json_t *o = json_attributes(c, session, l.v[i]);

		if (c->opt[OPT_JSON]) {
			json_array_append_new(a, o);
			continue;
		}
		if (i > 0)
			putchar('\n');
		cli_print(c, o);
	}
	if (c->opt[OPT_JSON])
		cli_print(c, a);
	return EXIT_DONE;
}

int cmd_object_delete(struct cli *c)
{
	struct u64_list l;
	uint64_t session;
	char question[100];

	if (!c->opt[OPT_LABEL] && !c->opt[OPT_ID])
		return cli_usage("say which with --label or --id (and --class)");
	if ((c->opt[OPT_LABEL] && *c->opt[OPT_LABEL] == '\0') ||
	    (c->opt[OPT_ID] && *c->opt[OPT_ID] == '\0'))
		return cli_usage("--label or --id is empty: that would be all objects that have none");
	if (!found(c, true, &session, &l))
		return EXIT_FAILED;
	if (l.n == 0)
		return cli_usage("no object matches; see 'holdfast object list'");
	snprintf(question, sizeof(question), "Delete %zu object%s for good?", l.n, l.n == 1 ? "" : "s");
	if (!cli_sure(c, question))
		return EXIT_FAILED;
	for (size_t i = 0; i < l.n; i++) {
		struct object_destroy_req q = { l.v[i] };
		struct object_destroy_res r;
		enum hf_err e = do_object_destroy(c->client, session, &q, &r, &c->arena);

		if (e != HF_OK)
			return cli_fail("delete", e);
	}
	return EXIT_DONE;
}
