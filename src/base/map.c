#include "map.h"

#include "secret.h"

#define SLOTS_MIN 16u

/* splitmix64's finisher: keys are often handles whose low bits do not vary. */
static size_t place(const struct map *m, uint64_t key)
{
	key = (key ^ (key >> 30)) * 0xbf58476d1ce4e5b9u;
	key = (key ^ (key >> 27)) * 0x94d049bb133111ebu;
	return (size_t)(key ^ (key >> 31)) & (m->slots - 1);
}

static void link_in(struct map *m, struct map_node *node)
{
	struct map_node **at = &m->slot[place(m, node->key)];

	node->next = *at;
	*at = node;
}

static enum hf_err grow(struct map *m, size_t slots)
{
	struct map to = { .slots = slots, .n = m->n };
	struct map_node *node, *next;

	to.slot = hf_alloc(to.slots, sizeof(struct map_node *));
	if (to.slot == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; i < m->slots; i++)
		for (node = m->slot[i]; node != NULL; node = next) {
			next = node->next;
			link_in(&to, node);
		}
	hf_free(m->slot);
	*m = to;
	return HF_OK;
}

enum hf_err map_reserve(struct map *m, size_t n)
{
	size_t slots = SLOTS_MIN;

	while (slots < n)
		slots *= 2;
	return slots > m->slots ? grow(m, slots) : HF_OK;
}

void map_prefetch(const struct map *m, uint64_t key, bool nodes)
{
	struct map_node *const *at;

	if (m->slots == 0)
		return;
	at = &m->slot[place(m, key)];
	__builtin_prefetch(nodes ? (const void *)*at : (const void *)at);
}

enum hf_err map_put(struct map *m, uint64_t key, struct map_node *node)
{
	if (map_get(m, key) != NULL)
		return HF_E_CONFLICT;
	if (m->n >= m->slots)
		TRY(grow(m, m->slots ? m->slots * 2 : SLOTS_MIN));
	node->key = key;
	link_in(m, node);
	m->n++;
	return HF_OK;
}

struct map_node *map_get(const struct map *m, uint64_t key)
{
	if (m->n == 0)
		return NULL;
	for (struct map_node *node = m->slot[place(m, key)]; node != NULL; node = node->next)
		if (node->key == key)
			return node;
	return NULL;
}

struct map_node *map_del(struct map *m, uint64_t key)
{
	if (m->n == 0)
		return NULL;
	for (struct map_node **at = &m->slot[place(m, key)]; *at != NULL; at = &(*at)->next)
		if ((*at)->key == key) {
			struct map_node *node = *at;

			*at = node->next;
			node->next = NULL;
			m->n--;
			return node;
		}
	return NULL;
}

struct map_node *map_next(const struct map *m, const struct map_node *after)
{
	size_t i = 0;

	if (after != NULL) {
		if (after->next != NULL)
			return after->next;
		i = place(m, after->key) + 1;
	}
	for (; i < m->slots; i++)
		if (m->slot[i] != NULL)
			return m->slot[i];
	return NULL;
}

void map_done(struct map *m)
{
	hf_free(m->slot);
	*m = (struct map){ 0 };
}

void map_free(struct map *m, void (*drop)(struct map_node *node))
{
	struct map_node *next;

	for (size_t i = 0; i < m->slots; i++)
		for (struct map_node *node = m->slot[i]; node != NULL; node = next) {
			next = node->next;
			drop(node);
		}
	map_done(m);
}
