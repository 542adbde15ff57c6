/* quorum_status.c: quorum status, cards. */
#include "quorum_status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "card.h"
#include "share.h"

/* pbkdf2_of: iterations of "PBKDF2, N passes"; 0: it is another. */
static uint32_t pbkdf2_of(const char *text)
{
	static const char by[] = "PBKDF2, ";

	return strncmp(text, by, sizeof(by) - 1) == 0 ?
		(uint32_t)strtoul(text + sizeof(by) - 1, NULL, 10) : 0;
}

bool share_hsm(struct cli *c, char room[40], struct share_label *l)
{
	struct status_req q = { 0 };
	struct status_res r;
	enum hf_err e = do_status(c->client, 0, &q, &r, &c->arena);
	char text[40] = "";

	if (e != HF_OK) {
		cli_fail("status", e);
		return false;
	}
	room[0] = '\0';
	for (size_t i = 0; i < r.facts.n; i++) {
		struct slice name = r.facts.v[i].name, v = r.facts.v[i].value;

		if (slice_eq(name, SLICE_STR("serial")))
			snprintf(room, 40, "%.*s", (int)v.n, (const char *)v.p);
		if (slice_eq(name, SLICE_STR("passphrases")))
			snprintf(text, sizeof(text), "%.*s", (int)v.n, (const char *)v.p);
	}
	l->hsm = room;
	l->pbkdf2 = pbkdf2_of(text);
	return true;
}

static bool read_status(struct cli *c, struct quorum_status_res *ret)
{
	struct quorum_status_req q = { 0 };
	enum hf_err e = do_quorum_status(c->client, 0, &q, ret, &c->arena);

	if (e != HF_OK)
		cli_fail("quorum", e);
	return e == HF_OK;
}

static enum hf_err users_of(struct cli *c, struct user_info_list *ret)
{
	struct user_list_req q;
	struct user_list_res r;
	struct hsm_roles_req hq = { 0 };
	struct hsm_roles_res hr;
	struct partition_info p;

	if (c->opt[OPT_ROLE] != NULL) {
		TRY(do_hsm_roles(c->client, 0, &hq, &hr, &c->arena));
		*ret = hr.roles;
		return HF_OK;
	}
	if (!cli_partition(c, c->opt[OPT_PARTITION], &p))
		return HF_E_SLOT;
	q.serial = p.serial;
	TRY(do_user_list(c->client, 0, &q, &r, &c->arena));
	*ret = r.users;
	return HF_OK;
}

static bool role_custodians(struct cli *c, struct user_info *ret)
{
	const char *role = c->opt[OPT_ROLE] != NULL ? c->opt[OPT_ROLE] : c->opt[OPT_USER];
	struct user_info_list all = { 0 };
	enum hf_err e = users_of(c, &all);

	for (size_t i = 0; e == HF_OK && i < all.n; i++)
		if (slice_eq(all.v[i].name, slice_str(role))) {
			*ret = all.v[i];
			return true;
		}
	cli_fail("users", e == HF_OK ? HF_E_USER_TYPE : e);
	return false;
}

bool custodians_now(struct cli *c, uint8_t *ret_m, uint8_t *ret_n, struct slice *ret_names)
{
	struct quorum_status_res r;
	struct user_info u;

	if (c->opt[OPT_USER] != NULL || c->opt[OPT_ROLE] != NULL) {
		if (!role_custodians(c, &u))
			return false;
		r.m = u.m;
		r.n = u.n;
		r.names = u.custodians;
	} else if (!read_status(c, &r)) {
		return false;
	}
	*ret_m = r.m;
	*ret_n = r.n;
	*ret_names = r.names;
	if (*ret_m == 0)
		cli_usage("there are no custodians; 'holdfast quorum create' makes them");
	return *ret_m > 0;
}

bool custodians_beside(struct cli *c)
{
	struct quorum_status_res r;

	if (!read_status(c, &r))
		return false;
	if (r.m > 0)
		cli_usage("--beside is for an HSM's first custodians, and there are %u of %u; 'holdfast "
			"quorum change' puts others in their place, and leaves other methods as they are",
			r.m, r.n);
	return r.m == 0;
}

bool quorum_shown(struct cli *c, uint64_t *request)
{
	const struct asking *found = NULL;
	struct quorum_status_res r;
	size_t waiting = 0;

	if (!read_status(c, &r))
		return false;
	for (size_t i = 0; i < r.asking.n; i++) {
		const struct asking *a = &r.asking.v[i];

		if (a->agreed || (*request != 0 && a->id != *request))
			continue;
		waiting++;
		found = a;
	}
	if (waiting != 1) /* the HSM says what is the matter, or which it was for */
		return true;
	*request = found->id;
	fprintf(stderr, "Request %llu of uid %llu: ", (unsigned long long)found->id,
		(unsigned long long)found->uid);
	cli_put(found->what, stderr);
	fputc('\n', stderr);
	return !isatty(STDIN_FILENO) || cli_sure(c, "Do you give your share for that?");
}

/* --- showing ------------------------------------------------------------------------ */

static json_t *json_asking(const struct asking *a)
{
	char have[32];

	snprintf(have, sizeof(have), "%u of %u", a->have, a->needed);
	return json_pack("{s:I, s:I, s:o, s:o, s:s, s:o, s:o, s:i}", "request", (json_int_t)a->id, "uid",
		(json_int_t)a->uid, "for", json_slice(a->what), "custodians of", json_slice(a->scope),
		"shares", a->agreed ? "agreed" : have, "gave", json_slice(a->gave), "missing",
		json_slice(a->missing), "seconds left", (int)a->seconds);
}

static json_t *json_rule(const struct consent_rule *r)
{
	return json_pack("{s:o, s:s, s:o}", "consent to", json_slice(r->name), "needed",
		r->always ? "always" : r->needed ? "yes" : "no", "what", json_slice(r->help));
}

int cmd_quorum_status(struct cli *c)
{
	json_t *asking = json_array(), *rules = json_array(), *all;
	struct quorum_status_res r;
	char text[32] = "none";

	if (!read_status(c, &r))
		return EXIT_FAILED;
	if (r.m > 0)
		snprintf(text, sizeof(text), "%u of %u", r.m, r.n);
	for (size_t i = 0; i < r.asking.n; i++)
		json_array_append_new(asking, json_asking(&r.asking.v[i]));
	for (size_t i = 0; i < r.rules.n; i++)
		json_array_append_new(rules, json_rule(&r.rules.v[i]));
	all = json_pack("{s:s, s:o}", "custodians", text, "names", json_slice(r.names));
	if (c->opt[OPT_JSON]) {
		json_object_set_new(all, "requests", asking);
		json_object_set_new(all, "consent", rules);
		cli_print(c, all);
		return EXIT_DONE;
	}
	cli_print(c, all);
	if (json_array_size(asking) > 0)
		putchar('\n');
	cli_print(c, asking);
	putchar('\n');
	cli_print(c, rules);
	return EXIT_DONE;
}

/* --- cards -------------------------------------------------------------------------- */

/* What stands on a card is readable without its PIN only where the card lets it be. */
static void card_says_what(const char *reader, char *out, size_t n)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(CARD_FILE);
	struct card *k = NULL;
	enum hf_err e = card_open(reader, &k);
	json_t *o;

	if (e == HF_OK)
		e = card_read(k, 0, &b);
	card_close(k);
	o = e == HF_OK ? json_loadb((const char *)b.p, b.n, 0, NULL) : NULL;
	if (o != NULL)
		share_text(o, out, n);
	else
		snprintf(out, n, "%s", e == HF_E_CARD ? "it shows nothing without its PIN" :
			e == HF_E_CARD_EMPTY ? "no share" : e == HF_E_CARD_NONE ? "no card" : err_text(e));
	json_decref(o);
}

int cmd_quorum_cards(struct cli *c)
{
	char readers[CARD_READERS][CARD_READER], what[256];
	json_t *all = json_array();
	size_t n;
	enum hf_err e = card_readers(readers, &n);

	if (e != HF_OK)
		return cli_fail("cards", e);
	for (size_t i = 0; i < n; i++) {
		card_says_what(readers[i], what, sizeof(what));
		json_array_append_new(all, json_pack("{s:s, s:s}", "reader", readers[i], "card", what));
	}
	cli_print(c, all);
	return EXIT_DONE;
}
