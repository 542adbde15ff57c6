#include "card.h"

#include <string.h>
#include <winscard.h>

#include "secret.h"

#define CHUNK 128u /* bytes of one READ or UPDATE BINARY: any card's buffer holds it */
#define HEAD 10u
#define OK 0x9000u
#define NO_FILE 0x6a82u
#define NO_REFERENCE 0x6a88u
#define NO_INSTRUCTION 0x6d00u

static const uint8_t magic[4] = { 'H', 'F', 'S', '1' };
#define NAME 0xf0, 'H', 'O', 'L', 'D', 'F', 'A', 'S', 'T'

struct card {
	SCARDCONTEXT context;
	SCARDHANDLE handle;
	DWORD protocol;
	bool connected;
	char reader[CARD_READER];
	unsigned says;
};

/* --- readers ----------------------------------------------------------------------- */

static size_t split_names(const char *list, size_t n, char ret[CARD_READERS][CARD_READER])
{
	size_t k = 0, at = 0;

	while (at < n && list[at] != '\0' && k < CARD_READERS) {
		size_t len = strnlen(list + at, n - at);

		if (len < CARD_READER) {
			memcpy(ret[k], list + at, len);
			ret[k++][len] = '\0';
		}
		at += len + 1;
	}
	return k;
}

static enum hf_err list_readers(SCARDCONTEXT context, char ret[CARD_READERS][CARD_READER],
	size_t *ret_n)
{
	char list[CARD_READERS * CARD_READER];
	DWORD n = sizeof(list);
	LONG e = SCardListReaders(context, NULL, list, &n);

	*ret_n = 0;
	if (e == SCARD_E_NO_READERS_AVAILABLE)
		return HF_OK;
	if (e != SCARD_S_SUCCESS)
		return HF_E_CARD_SERVICE;
	*ret_n = split_names(list, n, ret);
	return HF_OK;
}

enum hf_err card_readers(char ret[CARD_READERS][CARD_READER], size_t *ret_n)
{
	SCARDCONTEXT context;
	enum hf_err e;

	if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &context) != SCARD_S_SUCCESS)
		return HF_E_CARD_SERVICE;
	e = list_readers(context, ret, ret_n);
	(void)SCardReleaseContext(context);
	return e;
}

/* find_reader: the whole name wins over a part of several. */
static enum hf_err find_reader(SCARDCONTEXT context, const char *name, char ret[CARD_READER])
{
	char all[CARD_READERS][CARD_READER];
	size_t n, found = 0;

	TRY(list_readers(context, all, &n));
	for (size_t i = 0; i < n; i++) {
		if (strcmp(all[i], name) == 0)
			found = 0;
		else if (strstr(all[i], name) == NULL)
			continue;
		memcpy(ret, all[i], CARD_READER);
		found++;
		if (strcmp(all[i], name) == 0)
			break;
	}
	return found == 1 ? HF_OK : found == 0 ? HF_E_CARD_NONE : HF_E_CARD_WHICH;
}

/* --- opening ----------------------------------------------------------------------- */

static enum hf_err connect_card(struct card *c, const char *name)
{
	LONG e;

	if (SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &c->context) != SCARD_S_SUCCESS)
		return HF_E_CARD_SERVICE;
	c->connected = true;
	TRY(find_reader(c->context, name, c->reader));
	e = SCardConnect(c->context, c->reader, SCARD_SHARE_SHARED,
		SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1, &c->handle, &c->protocol);
	if (e == SCARD_S_SUCCESS)
		e = SCardBeginTransaction(c->handle); /* nobody else's commands come between */
	if (e == SCARD_E_SHARING_VIOLATION)
		return HF_E_CARD_BUSY;
	return e == SCARD_S_SUCCESS ? HF_OK : HF_E_CARD_NONE;
}

enum hf_err card_open(const char *name, struct card **ret)
{
	struct card *c = hf_alloc(1, sizeof(*c));
	enum hf_err e;

	if (c == NULL)
		return HF_E_MEMORY;
	e = connect_card(c, name);
	if (e != HF_OK) {
		card_close(c);
		return e;
	}
	*ret = c;
	return HF_OK;
}

/* The reset makes the card forget that its PIN was shown. */
void card_close(struct card *c)
{
	if (c == NULL)
		return;
	if (c->handle != 0)
		(void)SCardDisconnect(c->handle, SCARD_RESET_CARD);
	if (c->connected)
		(void)SCardReleaseContext(c->context);
	hf_free(c);
}

const char *card_reader(const struct card *c)
{
	return c->reader;
}

unsigned card_says(const struct card *c)
{
	return c->says;
}

/* --- commands ----------------------------------------------------------------------- */

/* One command, ISO 7816-4 §5: header, then data with its length or a length to get. */
struct command {
	uint8_t ins, p1, p2;
	struct slice data;
	unsigned get; /* bytes of answer; 0: none */
};

/* transmit sends it; what it answers before the status goes into out, *ret_n bytes. */
static enum hf_err transmit(struct card *c, const struct command *k, uint8_t out[CHUNK + 2],
	size_t *ret_n)
{
	uint8_t b[5 + 255] = { 0x00, k->ins, k->p1, k->p2 };
	DWORD n = 4, got = CHUNK + 2;
	LONG e;

	if (k->data.n > 0) {
		b[n++] = (uint8_t)k->data.n;
		memcpy(b + n, k->data.p, k->data.n);
		n += k->data.n;
	} else {
		b[n++] = (uint8_t)k->get;
	}
	e = SCardTransmit(c->handle, c->protocol == SCARD_PROTOCOL_T0 ? SCARD_PCI_T0 : SCARD_PCI_T1,
		b, n, NULL, out, &got);
	secret_wipe(b, sizeof(b));
	if (e != SCARD_S_SUCCESS || got < 2)
		return HF_E_CARD_NONE;
	c->says = get_u16(out + got - 2);
	*ret_n = got - 2;
	return HF_OK;
}

/* order is a command that answers with its status only. */
static enum hf_err order(struct card *c, const struct command *k)
{
	uint8_t out[CHUNK + 2];
	size_t n;

	return transmit(c, k, out, &n);
}

static enum hf_err must(struct card *c, const struct command *k)
{
	TRY(order(c, k));
	return c->says == OK ? HF_OK : HF_E_CARD;
}

/* --- files -------------------------------------------------------------------------- */

static enum hf_err select_folder(struct card *c)
{
	static const uint8_t name[] = { NAME };
	const struct command k = { 0xa4, 0x04, 0x0c, SLICE_OF(name), 0 };

	TRY(order(c, &k));
	if (c->says == NO_FILE)
		return HF_E_CARD_EMPTY;
	return c->says == OK || c->says >> 8 == 0x61 ? HF_OK : HF_E_CARD;
}

static enum hf_err select_file(struct card *c, unsigned file)
{
	const uint8_t id[] = { 0x00, (uint8_t)(file + 1) };
	const struct command k = { 0xa4, 0x02, 0x0c, SLICE_OF(id), 0 };

	TRY(order(c, &k));
	if (c->says == NO_FILE)
		return HF_E_CARD_EMPTY;
	return c->says == OK || c->says >> 8 == 0x61 ? HF_OK : HF_E_CARD;
}

/* Control parameters as ISO 7816-4 §5.3.3 has them: what it is, its id, its name or size. */
static enum hf_err make_folder(struct card *c)
{
	static const uint8_t fcp[] = { 0x62, 18, 0x82, 1, 0x38, 0x83, 2, 'H', 'F', 0x84, 9, NAME };
	const struct command k = { 0xe0, 0, 0, SLICE_OF(fcp), 0 };

	return must(c, &k);
}

static enum hf_err make_file(struct card *c, unsigned file)
{
	const uint8_t fcp[] = { 0x62, 11, 0x80, 2, CARD_FILE >> 8, CARD_FILE & 0xff,
		0x82, 1, 0x01, 0x83, 2, 0x00, (uint8_t)(file + 1) };
	const struct command k = { 0xe0, 0, 0, SLICE_OF(fcp), 0 };

	return must(c, &k);
}

/* Both are made at once, so that a card that is too small says so before the first share. */
static enum hf_err make_all(struct card *c)
{
	for (unsigned i = 0; i < CARD_SHARES; i++) {
		TRY(select_folder(c));
		TRY(make_file(c, i));
	}
	return HF_OK;
}

static enum hf_err folder_or_make(struct card *c)
{
	enum hf_err e = select_folder(c);

	if (e == HF_E_CARD_EMPTY) {
		TRY(make_folder(c));
		e = select_folder(c);
	}
	TRY(e);
	e = select_file(c, 0);
	return e == HF_E_CARD_EMPTY ? make_all(c) : e;
}

static enum hf_err read_at(struct card *c, size_t at, size_t n, struct buf *out)
{
	while (n > 0) {
		uint8_t b[CHUNK + 2];
		unsigned part = n < CHUNK ? (unsigned)n : CHUNK;
		const struct command k = { 0xb0, (uint8_t)(at >> 8), (uint8_t)at, SLICE_NONE, part };
		size_t got;

		TRY(transmit(c, &k, b, &got));
		if (c->says != OK || got != part)
			return HF_E_CARD;
		buf_raw(out, (struct slice){ b, got });
		at += got;
		n -= got;
	}
	return buf_err(out);
}

static enum hf_err write_at(struct card *c, size_t at, struct slice s)
{
	while (s.n > 0) {
		size_t part = s.n < CHUNK ? s.n : CHUNK;
		const struct command k = { 0xd6, (uint8_t)(at >> 8), (uint8_t)at, { s.p, part }, 0 };

		TRY(must(c, &k));
		at += part;
		s = (struct slice){ s.p + part, s.n - part };
	}
	return HF_OK;
}

/* struct held is what one file holds; which 0: nothing. */
struct held {
	uint32_t which;
	size_t n;
};

static enum hf_err read_head(struct card *c, unsigned file, struct held *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(HEAD);

	*ret = (struct held){ 0 };
	TRY(select_folder(c));
	TRY(select_file(c, file));
	TRY(read_at(c, 0, HEAD, &b));
	if (memcmp(b.p, magic, sizeof(magic)) != 0 || get_u16(b.p + 8) > CARD_FILE - HEAD)
		return HF_OK;
	*ret = (struct held){ get_u32(b.p + 4), get_u16(b.p + 8) };
	return HF_OK;
}

/* read_heads: *ret_newest is the number of the file written last. */
static enum hf_err read_heads(struct card *c, struct held v[CARD_SHARES], unsigned *ret_newest)
{
	*ret_newest = 0;
	for (unsigned i = 0; i < CARD_SHARES; i++) {
		TRY(read_head(c, i, &v[i]));
		if (v[i].which > v[*ret_newest].which)
			*ret_newest = i;
	}
	return HF_OK;
}

enum hf_err card_read(struct card *c, unsigned back, struct buf *out)
{
	struct held v[CARD_SHARES];
	unsigned file;

	TRY(read_heads(c, v, &file));
	file = (file + back) % CARD_SHARES;
	if (v[file].which == 0 || back >= CARD_SHARES)
		return HF_E_CARD_EMPTY;
	TRY(select_folder(c));
	TRY(select_file(c, file));
	return read_at(c, HEAD, v[file].n, out);
}

/* The head comes last: a card that is pulled out half-way holds the other share only. */
static enum hf_err write_file(struct card *c, unsigned file, uint32_t which, struct slice text)
{
	static const uint8_t none[HEAD];
	uint8_t head[HEAD];

	memcpy(head, magic, sizeof(magic));
	put_u32(head + 4, which);
	put_u16(head + 8, (uint16_t)text.n);
	TRY(select_folder(c));
	TRY(select_file(c, file));
	TRY(write_at(c, 0, SLICE_OF(none)));
	TRY(write_at(c, HEAD, text));
	return write_at(c, 0, SLICE_OF(head));
}

enum hf_err card_write(struct card *c, struct slice text)
{
	CLEANUP(buf_done) struct buf back = BUF_MAX(CARD_FILE);
	struct held v[CARD_SHARES];
	unsigned newest;

	if (text.n == 0 || text.n > CARD_FILE - HEAD)
		return HF_E_ARGUMENTS;
	TRY(folder_or_make(c));
	TRY(read_heads(c, v, &newest));
	TRY(write_file(c, (newest + 1) % CARD_SHARES, v[newest].which + 1, text));
	TRY(card_read(c, 0, &back));
	return slice_eq(buf_slice(&back), text) ? HF_OK : HF_E_CARD;
}

/* --- the PIN ------------------------------------------------------------------------ */

static enum hf_err verify_as(struct card *c, uint8_t reference, struct slice pin)
{
	const struct command k = { 0x20, 0, reference, pin, 0 };

	return order(c, &k);
}

/* 63Cx: wrong, x tries left; 6983: blocked (ISO 7816-4 §11.5.6). The folder's own PIN (81)
 * before the card's (01). */
enum hf_err card_verify(struct card *c, struct slice pin, int *ret_tries)
{
	enum hf_err e = select_folder(c);

	*ret_tries = -1;
	if (e != HF_OK && e != HF_E_CARD_EMPTY)
		return e;
	if (pin.n == 0 || pin.n > CARD_PIN_MAX)
		return HF_OK;
	TRY(verify_as(c, 0x81, pin));
	if (c->says == NO_REFERENCE)
		TRY(verify_as(c, 0x01, pin));
	if (c->says == OK || c->says == NO_REFERENCE || c->says == NO_INSTRUCTION)
		return HF_OK;
	if (c->says >> 4 == 0x63c)
		*ret_tries = (int)(c->says & 0xf);
	if (c->says == 0x6983 || *ret_tries == 0)
		return HF_E_PIN_LOCKED;
	return c->says >> 8 == 0x63 ? HF_E_PIN_INCORRECT : HF_E_CARD;
}
