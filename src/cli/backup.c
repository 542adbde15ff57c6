/* backup.c: backup inspect, verify. What passes through here is sealed. */
#include "backup_file.h"
#include "backup_index.h"
#include "backup_seal.h"

#include <string.h>

#include "clock.h"

/* --- inspect and verify ---------------------------------------------------------------- */

static json_t *json_recipient(const struct backup_recipient *r)
{
	struct backup_found f = { 0 };
	char text[BACKUP_NAME_MOST + 40];

	if (r->kind == BACKUP_TO_TOKEN)
		return json_string("a key in another token");
	if (backup_recipient_look(r, &f) != HF_OK)
		return json_string("damaged");
	if (r->kind == BACKUP_TO_PASSPHRASE)
		return json_string(f.kib == 0 ? "a passphrase (PBKDF2)" : "a passphrase");
	snprintf(text, sizeof(text), "%s%.*s", r->kind == BACKUP_TO_MEMBER ? "in its domain: " : "",
		(int)f.card.name.n, (const char *)f.card.name.p);
	return json_string(text);
}

static json_t *json_head(const struct backup_file *b)
{
	json_t *to = json_array(), *o;
	char when[28];

	for (size_t i = 0; i < b->head.to_n; i++)
		json_array_append_new(to, json_recipient(&b->head.to[i]));
	clock_iso(b->head.created, when);
	o = json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:o}", "version", (int)b->head.version, "of",
		b->head.scope == BACKUP_OF_OBJECTS ? "objects" : "whole partitions", "made", when, "HSM",
		json_slice(b->head.hsm), "partition", json_slice(b->head.label), "partition's serial number",
		json_slice(b->head.serial), "sealed to", to);
	json_object_set_new(o, "id", json_hex((struct slice){ b->head.hash, 8 }));
	if (b->head.base.n != 0)
		json_object_set_new(o, "builds on", json_hex((struct slice){ b->head.base.p, 8 }));
	return o;
}

/* walk reads all of it; *ret_indexed: how many entries its index has. */
static bool walk(struct backup_file *b, uint64_t *ret_indexed)
{
	uint64_t n = 0;

	do {
		if (!backup_file_next(b))
			return false;
		if (b->frame.kind == BACKUP_INDEX && b->frame.sealed.n > CRYPTO_SEAL_EXTRA)
			n += (b->frame.sealed.n - CRYPTO_SEAL_EXTRA) / (BACKUP_ID + BACKUP_TAG);
	} while (b->frame.kind != BACKUP_END);
	*ret_indexed = n;
	return backup_file_over(b);
}

int cmd_backup_inspect(struct cli *c)
{
	CLEANUP(backup_file_done) struct backup_file b;
	uint64_t indexed;
	json_t *o;

	if (!backup_file_open(c->args[0], &b) || !walk(&b, &indexed))
		return EXIT_FAILED;
	o = json_head(&b);
	json_object_set_new(o, "pieces", json_integer((json_int_t)b.chain.next));
	json_object_set_new(o, "bytes", json_integer((json_int_t)b.bytes));
	cli_print(c, o);
	return EXIT_DONE;
}

/* An HSM is asked only where what was given opens nothing. */
static enum hf_err end_key(struct cli *c, struct backup_file *b)
{
	struct opener_list keys;
	struct slice pass = SLICE_NONE;
	struct backup_opener v[2];
	struct backup_end_key_req q = { 0 };
	struct backup_end_key_res r;
	enum hf_err e;

	if (!cli_openers(c, &b->head, &pass, &keys))
		return HF_E_BACKUP_KEY;
	for (size_t i = 0; i < keys.n; i++)
		v[i] = (struct backup_opener){ .kind = keys.v[i].kind, .secret = keys.v[i].secret };
	e = backup_unlock(&b->head, v, keys.n, false, &b->chain);
	if (e != HF_E_BACKUP_KEY || keys.n != 0)
		return e;
	if (!cli_connect(c))
		return HF_E_BACKUP_KEY;
	q.header = buf_slice(&b->head_raw);
	TRY(do_backup_end_key(c->client, 0, &q, &r, &c->arena));
	return secret_dup(r.key, &b->chain.end_key);
}

int cmd_backup_verify(struct cli *c)
{
	CLEANUP(backup_file_done) struct backup_file b;
	struct backup_end end;
	uint64_t indexed;
	enum hf_err e;
	json_t *o;

	if (!backup_file_open(c->args[0], &b) || !walk(&b, &indexed))
		return EXIT_FAILED;
	e = end_key(c, &b);
	if (e == HF_OK)
		e = backup_end_check(&b.chain, &b.frame, b.before, &end);
	if (e != HF_OK)
		return cli_fail(c->args[0], e);
	o = json_head(&b);
	if (b.head.version > 1) /* whose files have no index, and no increments */
		json_object_set_new(o, b.head.scope == BACKUP_OF_OBJECTS ? "objects" : "records",
			json_integer((json_int_t)indexed));
	json_object_set_new(o, "objects in this file", json_integer((json_int_t)end.objects));
	json_object_set_new(o, "left out (stateful keys)", json_integer((json_int_t)end.left_out));
	json_object_set_new(o, "whole", json_true());
	cli_print(c, o);
	return EXIT_DONE;
}
