/* backup_key.c: backup-key create, show, split; backup share. */
#include "backup_file.h"
#include "backup_seal.h"
#include "message.h"

static json_t *json_card(struct slice bytes)
{
	struct backup_card card;

	if (backup_card_dec(bytes, &card) != HF_OK)
		return NULL;
	return json_pack("{s:o, s:o, s:o}", "holdfast backup key of", json_slice(card.name),
		"fingerprint", json_hex(SLICE_OF(card.id)), "card", json_hex(bytes));
}

/* tell prints the card, or writes it to --out. */
static int tell(struct slice bytes, const char *path)
{
	json_t *o = crypto_init() == HF_OK ? json_card(bytes) : NULL;

	if (o == NULL)
		return cli_fail("backup key", HF_E_MEMORY);
	return cli_message_write(path, o);
}

static int own_key(struct cli *c, bool create)
{
	struct backup_key_req q = { .create = create };
	struct backup_key_res r;
	enum hf_err e = do_backup_key(c->client, 0, &q, &r, &c->arena);

	return e == HF_OK ? tell(r.card, c->opt[OPT_OUT]) : cli_fail("backup key", e);
}

int cmd_backup_key_create(struct cli *c)
{
	return own_key(c, true);
}

int cmd_backup_key_show(struct cli *c)
{
	return own_key(c, false);
}

/* The public half last: until it is there nobody seals anything to these custodians. */
int cmd_backup_key_split(struct cli *c)
{
	const char *dir = c->opt[OPT_OUT] ? c->opt[OPT_OUT] : ".";
	struct backup_split_req q = { 0 };
	struct backup_split_res r;
	char name[48], path[4096];
	enum hf_err e = crypto_init();

	if (!cli_m_of_n(c->args[0], &q.m, &q.n))
		return cli_usage("'%s' is not M/N with 2 <= M <= N <= 16", c->args[0]);
	if (!cli_pin_lines(c, q.n))
		return EXIT_USAGE;
	snprintf(name, sizeof(name), "%u of %u custodians", q.m, q.n);
	q.name = slice_str(name);
	if (e == HF_OK)
		e = do_backup_split(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("backup key", e);
	for (size_t i = 0; i < r.shares.n; i++)
		if (!cli_share_write(c, dir, i, r.shares.v[i].share))
			return cli_usage("not every share was written: remove them and begin anew");
	snprintf(path, sizeof(path), "%s/backup-key.json", dir);
	return tell(r.card, path);
}

int cmd_backup_share(struct cli *c)
{
	CLEANUP(backup_file_done) struct backup_file b = { 0 };
	CLEANUP(secret_done) struct secret share = { 0 };
	struct backup_share_req q = { 0 };
	struct backup_share_res r;
	enum hf_err e;

	if (!backup_file_open(c->args[0], &b))
		return EXIT_FAILED;
	e = cli_share_read(c, c->args[1], &share);
	q.header = buf_slice(&b.head_raw);
	q.share = secret_slice(&share);
	if (e == HF_OK)
		e = do_backup_share(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("share", e);
	cli_print(c, json_pack("{s:i, s:i}", "shares", r.have, "needed", r.needed));
	return EXIT_DONE;
}
