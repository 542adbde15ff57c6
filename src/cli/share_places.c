/* share_places.c: files, smartcards and tokens, as the options say. */
#include "share.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "card.h"
#include "token.h"

#define PLACE 256u

bool place_chosen(struct cli *c)
{
	bool card = c->opt[OPT_CARD] != NULL, token = c->opt[OPT_TOKEN_MODULE] != NULL;
	bool file = c->opt[OPT_OUT] != NULL || c->arg_count > 1;

	if (card + token + file > 1)
		cli_usage("a share is kept in one place: a file, --card or --token-module");
	else if (token != (c->opt[OPT_TOKEN] != NULL))
		cli_usage("--token-module and --token belong together");
	else
		return true;
	return false;
}

/* --- files -------------------------------------------------------------------------- */

static bool file_get(struct cli *c, json_t *all)
{
	json_t *o = c->arg_count > 0 ? json_load_file(c->args[0], 0, NULL) : NULL;

	if (o != NULL && json_array_append_new(all, o) == 0)
		return true;
	if (c->arg_count > 0)
		cli_usage("'%s' is no share file", c->args[0]);
	else
		cli_usage("where is the share? Name its file, or say --card or --token-module");
	return false;
}

/* --- cards -------------------------------------------------------------------------- */

/* reader_of: of the readers in --card the i-th, or the only one; false: there are not so
 * many. */
static bool reader_of(struct cli *c, size_t i, char out[CARD_READER], bool *ret_shared)
{
	const char *s = c->opt[OPT_CARD], *end;

	*ret_shared = strchr(s, ',') == NULL;
	for (; i > 0 && !*ret_shared; i--) {
		s = strchr(s, ',');
		if (s == NULL)
			return cli_usage("--card names fewer readers than there are custodians") == EXIT_DONE;
		s++;
	}
	end = strchr(s, ',');
	(void)snprintf(out, CARD_READER, "%.*s", (int)(end != NULL ? (size_t)(end - s) : strlen(s)), s);
	return true;
}

/* One reader, several cards: somebody has to change them. */
static bool card_is_in(struct cli *c, size_t i, const char *custodian)
{
	char reader[CARD_READER], line[8];
	bool shared;

	if (!reader_of(c, i, reader, &shared))
		return false;
	if (!shared)
		return true;
	fprintf(stderr, "Put the card of %s into the reader%s%s and press Enter. ", custodian,
		*reader ? " " : "", reader);
	if (fgets(line, sizeof(line), stdin) != NULL)
		return true;
	cli_usage("nobody is there to change cards; name a reader for each");
	return false;
}

static bool card_trouble(struct card *k, enum hf_err e, int tries)
{
	cli_fail(k != NULL ? card_reader(k) : "card", e);
	if (tries >= 0)
		fprintf(stderr, "holdfast: the card lets its PIN be tried %d times more\n", tries);
	if (k != NULL && e == HF_E_CARD)
		fprintf(stderr, "holdfast: the card said %04x\n", card_says(k));
	return false;
}

static bool card_ready(struct cli *c, size_t i, struct slice pin, struct card **ret)
{
	char reader[CARD_READER];
	struct card *k = NULL;
	int tries = -1;
	bool shared;
	enum hf_err e;

	if (!reader_of(c, i, reader, &shared))
		return false;
	e = card_open(reader, &k);
	if (e == HF_OK)
		e = card_verify(k, pin, &tries);
	if (e != HF_OK) {
		card_trouble(k, e, tries);
		card_close(k);
		return false;
	}
	*ret = k;
	return true;
}

static enum hf_err card_json(struct card *k, unsigned back, json_t **ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(CARD_FILE);

	TRY(card_read(k, back, &b));
	*ret = json_loadb((const char *)b.p, b.n, 0, NULL);
	return *ret != NULL ? HF_OK : HF_E_CARD_EMPTY;
}

/* Two shares of one set on a card would make one custodian of two. */
static bool card_is_another(struct cli *c, struct card *k, const json_t *mine)
{
	json_t *there = NULL;
	char text[PLACE];
	bool ok = true;

	if (card_json(k, 0, &there) == HF_OK && share_set(there) != NULL &&
	    strcmp(share_set(there), share_set(mine)) == 0) {
		share_text(there, text, sizeof(text));
		cli_usage("the card in %s holds another of these shares already: %s", card_reader(k), text);
		ok = false;
	}
	json_decref(there);
	there = NULL;
	if (ok && card_json(k, CARD_SHARES - 1, &there) == HF_OK) {
		share_text(there, text, sizeof(text));
		fprintf(stderr, "holdfast: what the card held before goes: %s\n", text);
		ok = cli_sure(c, "Go on?");
	}
	json_decref(there);
	return ok;
}

static bool card_put(struct cli *c, size_t i, json_t *o, struct slice pin)
{
	struct card *k;
	char *text = json_dumps(o, JSON_COMPACT);
	bool ok = text != NULL && card_ready(c, i, pin, &k);

	if (ok && card_is_another(c, k, o)) {
		enum hf_err e = card_write(k, slice_str(text));

		ok = e == HF_OK || card_trouble(k, e, -1);
		if (ok)
			printf("card in %s\n", card_reader(k));
		card_close(k);
	} else if (ok) {
		card_close(k);
		ok = false;
	}
	hf_free(text);
	return ok;
}

static bool card_get(struct cli *c, struct slice pin, json_t *all)
{
	struct card *k;
	enum hf_err e = HF_OK;

	if (!card_ready(c, 0, pin, &k))
		return false;
	for (unsigned back = 0; back < CARD_SHARES && e == HF_OK; back++) {
		json_t *o = NULL;

		e = card_json(k, back, &o);
		if (e == HF_OK)
			(void)json_array_append_new(all, o);
	}
	if (json_array_size(all) == 0)
		card_trouble(k, e, -1);
	card_close(k);
	return json_array_size(all) > 0;
}

/* --- tokens ------------------------------------------------------------------------- */

static bool token_trouble(const struct token *t, enum hf_err e)
{
	cli_fail("token", e);
	if (t != NULL && e == HF_E_TOKEN)
		fprintf(stderr, "holdfast: the token said CKR 0x%lx\n", token_says(t));
	return false;
}

static bool token_ready(struct cli *c, struct slice pin, struct token **ret)
{
	enum hf_err e = token_open(c->opt[OPT_TOKEN_MODULE], c->opt[OPT_TOKEN], pin, ret);

	return e == HF_OK || token_trouble(NULL, e);
}

static bool token_keep(struct cli *c, json_t *o, struct slice pin)
{
	char label[TOKEN_LABEL], about[PLACE], *text = json_dumps(o, JSON_COMPACT);
	struct token *t;
	bool ok = text != NULL && token_ready(c, pin, &t);

	if (!ok) {
		hf_free(text);
		return false;
	}
	share_text(o, about, sizeof(about));
	snprintf(label, sizeof(label), "%.110s, set %.32s", about, share_set(o));
	enum hf_err e = token_put(t, label, slice_str(text));

	ok = e == HF_OK || token_trouble(t, e);
	if (ok)
		printf("token %s\n", c->opt[OPT_TOKEN]);
	token_close(t);
	hf_free(text);
	return ok;
}

static bool token_take(struct cli *c, struct slice pin, json_t *all)
{
	struct token *t;
	enum hf_err e = HF_OK;

	if (!token_ready(c, pin, &t))
		return false;
	for (size_t i = 0; e == HF_OK; i++) {
		CLEANUP(buf_done) struct buf b = BUF_MAX(TOKEN_VALUE);
		json_t *o;

		e = token_get(t, i, &b);
		o = e == HF_OK ? json_loadb((const char *)b.p, b.n, 0, NULL) : NULL;
		if (o != NULL)
			(void)json_array_append_new(all, o);
	}
	if (json_array_size(all) == 0)
		token_trouble(t, e);
	token_close(t);
	return json_array_size(all) > 0;
}

/* --- whichever ---------------------------------------------------------------------- */

bool place_pin(struct cli *c, size_t i, const char *custodian, bool fresh, struct secret *ret)
{
	char prompt[96];
	bool card = c->opt[OPT_CARD] != NULL, token = c->opt[OPT_TOKEN_MODULE] != NULL;

	if (card && fresh && !card_is_in(c, i, custodian))
		return false;
	snprintf(prompt, sizeof(prompt), "%s of %.40s", card ? "Card PIN" : token ? "Token PIN" :
		"Passphrase for the share", custodian);
	/* Cards and tokens know their PIN; a passphrase is chosen now. */
	return cli_pin_of(c, card || token ? 0 : i, prompt, fresh && !card && !token, ret) == HF_OK;
}

bool place_pins(struct cli *c, size_t n)
{
	return c->opt[OPT_CARD] != NULL || c->opt[OPT_TOKEN_MODULE] != NULL || cli_pin_lines(c, n);
}

bool place_put(struct cli *c, size_t i, json_t *sealed, struct slice pin)
{
	if (c->opt[OPT_CARD] != NULL)
		return card_put(c, i, sealed, pin);
	if (c->opt[OPT_TOKEN_MODULE] != NULL)
		return token_keep(c, sealed, pin);
	return share_file_write(c->opt[OPT_OUT] ? c->opt[OPT_OUT] : ".", i, sealed);
}

bool place_get(struct cli *c, struct slice pin, json_t **ret)
{
	json_t *all = json_array();
	bool ok;

	if (c->opt[OPT_CARD] != NULL)
		ok = card_get(c, pin, all);
	else if (c->opt[OPT_TOKEN_MODULE] != NULL)
		ok = token_take(c, pin, all);
	else
		ok = file_get(c, all);
	if (ok)
		*ret = all;
	else
		json_decref(all);
	return ok;
}
