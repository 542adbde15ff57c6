/* backup_seal.c: see backup_seal.h. */
#include "backup_seal.h"

#include <string.h>

#include "backup_file.h"
#include "message.h"

static bool wants_passphrase(const struct cli *c)
{
	return c->opt[OPT_PASS_FILE] != NULL || c->opt[OPT_PASS_FD] != NULL ||
		(c->opt[OPT_TO_KEY] == NULL && c->opt[OPT_TOKEN_MODULE] == NULL);
}

static bool ask_passphrase(struct cli *c, bool fresh, struct slice *ret)
{
	CLEANUP(secret_done) struct secret pass = { 0 };

	if (cli_passphrase(c, fresh, &pass) != HF_OK)
		return false;
	return arena_dup(&c->arena, secret_slice(&pass), ret) == HF_OK;
}

bool cli_card(struct cli *c, const char *path, struct slice *ret)
{
	struct backup_card card;
	bool ok = cli_message_read(c, path, "card", BACKUP_CARD_MOST, ret) &&
		backup_card_dec(*ret, &card) == HF_OK;

	if (!ok)
		cli_usage("'%s' is no file of a public key for backups", path);
	return ok;
}

/* FILE,FILE,... */
static bool cards(struct cli *c, struct recipient *v, size_t *n)
{
	const char *at = c->opt[OPT_TO_KEY];
	char path[4096];

	while (at != NULL) {
		size_t len = strcspn(at, ",");

		if (*n == BACKUP_RECIPIENTS || len >= sizeof(path)) {
			cli_usage("a backup is sealed to at most %u", BACKUP_RECIPIENTS);
			return false;
		}
		memcpy(path, at, len);
		path[len] = '\0';
		v[*n].kind = BACKUP_TO_KEY;
		if (!cli_card(c, path, &v[*n].body))
			return false;
		(*n)++;
		at = at[len] == ',' ? at + len + 1 : NULL;
	}
	return true;
}

bool cli_recipients(struct cli *c, struct recipient_list *ret)
{
	struct recipient *v = arena_alloc(&c->arena, BACKUP_RECIPIENTS, sizeof(*v));
	size_t n = 0;

	if (v == NULL || crypto_init() != HF_OK)
		return false;
	if (wants_passphrase(c)) {
		v[n].kind = BACKUP_TO_PASSPHRASE;
		if (!ask_passphrase(c, true, &v[n].secret))
			return false;
		n++;
	}
	if (c->opt[OPT_TOKEN_MODULE] != NULL && !cli_token_keep(c, &v[n++]))
		return false;
	if (!cards(c, v, &n))
		return false;
	*ret = (struct recipient_list){ v, n };
	return true;
}

static const struct backup_recipient *of_kind(const struct backup_header *h, uint8_t kind)
{
	for (size_t i = 0; i < h->to_n; i++)
		if (h->to[i].kind == kind)
			return &h->to[i];
	return NULL;
}

/* A passphrase that nobody gave is asked for only where nothing else opens the file. */
bool cli_openers(struct cli *c, const struct backup_header *h, struct slice *pass,
	struct opener_list *ret)
{
	struct opener *v = arena_alloc(&c->arena, 2, sizeof(*v));
	const struct backup_recipient *phrase = of_kind(h, BACKUP_TO_PASSPHRASE),
		*token = of_kind(h, BACKUP_TO_TOKEN);
	bool given = c->opt[OPT_PASS_FILE] != NULL || c->opt[OPT_PASS_FD] != NULL;
	size_t n = 0;

	if (v == NULL)
		return false;
	if (token != NULL && c->opt[OPT_TOKEN_MODULE] != NULL && !cli_token_recall(c, token->body, &v[n++]))
		return false;
	if (phrase != NULL && (given || (n == 0 && h->to_n == 1))) {
		if (pass->p == NULL && !ask_passphrase(c, false, pass))
			return false;
		v[n++] = (struct opener){ .kind = BACKUP_TO_PASSPHRASE, .secret = *pass };
	}
	*ret = (struct opener_list){ v, n };
	return true;
}
