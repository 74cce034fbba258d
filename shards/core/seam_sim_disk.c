/* The simulated disk: what is read now, and what a crash leaves.
 *
 *      file --> pages[] --> page { current  4096 bytes: what a read sees
 *                                  stable   4096 bytes: what is surely on the medium
 *                                  pieces   writes of this page that are in flight, or completed and not
 *                                           durable: data, and a bit per sector that may yet survive }
 *
 *      write      in flight: piece            current, stable untouched
 *      completes  not durable: piece stays    current = new
 *                 durable: piece goes         current = stable = new; older pieces lose those sectors
 *      sync       completed pieces go         stable = current
 *      crash      each sector of each piece, oldest first, by chance: stable = piece; then current = stable
 *
 * Names have a current and a stable list likewise, and between them the changes not yet synced, in order;
 * a crash keeps a prefix of those.
 *
 * Invariants
 *  1. A page that is all zeros, everywhere, is NULL, so pre-zeroed segments cost nothing.
 *  2. `current_size` >= `stable_size` of a file, always.
 *  3. Without pieces current equals stable, and then `stable` may be NULL only if both are zeros.
 *  4. Two writes in flight never overlap (the program's duty; asserted). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "shards/core/seam_sim_internal.h"

enum { PAGE_SIZE = 4096, SECTOR_SIZE = 512 };

static const unsigned char zeros[PAGE_SIZE];

struct sim_piece {
    struct list_link page_link; /* oldest first */
    struct list_link request_link;
    struct sim_page *page;
    uint32_t offset, size; /* in the page */
    uint8_t sectors;       /* that may survive */
    bool completed;
    unsigned char data[];
};

struct sim_page {
    struct list_link dirty_link; /* in sim_disk.dirty while it has pieces */
    struct list_link pieces;
    struct sim_file *file;
    uint64_t index;
    unsigned char current[PAGE_SIZE];
    unsigned char stable[PAGE_SIZE];
};

struct sim_file {
    struct list_link link; /* in sim_disk.files */
    struct sim_page **pages;
    uint64_t page_count;
    uint64_t current_size, stable_size;
    uint32_t handle_count; /* the open ones, and operations in flight */
    bool is_directory;
    bool is_named; /* scratch of the sweep */
};

struct sim_name {
    char path[SIM_PATH_SIZE];
    struct sim_file *file;
};

struct sim_names {
    struct sim_name *items;
    size_t count;
};

enum name_change_kind { NAME_ADD, NAME_REMOVE, NAME_RENAME };

struct name_change {
    enum name_change_kind kind;
    char path[SIM_PATH_SIZE];
    char to[SIM_PATH_SIZE];
    struct sim_file *file;
};

struct sim_request {
    struct list_link link; /* in sim_disk.requests */
    struct io_op *op;
    struct sim_file *file;
    struct list_link pieces;
    int64_t result;
};

struct sim_disk {
    struct list_link files;
    struct list_link dirty;
    struct sim_names current, stable;
    struct name_change *changes;
    size_t change_count;
};

/* ---- names ---- */

/* Drops a leading "./" and trailing slashes, so each thing has one name; "" is the data directory. */
static void
path_normal(const char *path, char out[SIM_PATH_SIZE])
{
    while (path[0] == '.' && (path[1] == '/' || path[1] == 0))
        path += path[1] ? 2 : 1;
    size_t size = strlen(path);
    while (size > 0 && path[size - 1] == '/')
        size--;
    assert(size < SIM_PATH_SIZE && path[0] != '/');
    memcpy(out, path, size);
    out[size] = 0;
}

static void
path_directory(const char *path, char out[SIM_PATH_SIZE])
{
    const char *slash = strrchr(path, '/');
    size_t size = slash ? (size_t)(slash - path) : 0;
    memcpy(out, path, size);
    out[size] = 0;
}

static struct sim_name *
names_lookup(const struct sim_names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i].path, path) == 0)
            return &names->items[i];
    return NULL;
}

static void
names_add(struct sim_names *names, const char *path, struct sim_file *file)
{
    struct sim_name *name = names_lookup(names, path);
    if (!name) {
        names->items = sim_heap(names->items, (names->count + 1) * sizeof(*names->items));
        name = &names->items[names->count++];
        memset(name, 0, sizeof(*name));
        memcpy(name->path, path, strlen(path) + 1);
    }
    name->file = file;
}

static void
names_remove(struct sim_names *names, const char *path)
{
    struct sim_name *name = names_lookup(names, path);
    if (name)
        *name = names->items[--names->count];
}

static void
names_change(struct sim_names *names, const struct name_change *change)
{
    switch (change->kind) {
    case NAME_ADD:
        names_add(names, change->path, change->file);
        return;
    case NAME_REMOVE:
        names_remove(names, change->path);
        return;
    case NAME_RENAME:
        names_remove(names, change->path);
        names_add(names, change->to, change->file);
        return;
    }
}

static void
change_add(struct sim *sim, const struct name_change *change)
{
    struct sim_disk *disk = sim->disk;
    disk->changes = sim_heap(disk->changes, (disk->change_count + 1) * sizeof(*disk->changes));
    disk->changes[disk->change_count++] = *change;
    names_change(&disk->current, change);
}

static bool
directory_exists(const struct sim_disk *disk, const char *path)
{
    if (path[0] == 0)
        return true;
    const struct sim_name *name = names_lookup(&disk->current, path);
    return name && name->file->is_directory;
}

static bool
parent_exists(const struct sim_disk *disk, const char *path)
{
    char directory[SIM_PATH_SIZE];
    path_directory(path, directory);
    return directory_exists(disk, directory);
}

/* ---- files and pages ---- */

static struct sim_file *
file_new(struct sim_disk *disk, bool is_directory)
{
    struct sim_file *file = sim_heap(NULL, sizeof(*file));
    *file = (struct sim_file){.is_directory = is_directory};
    list_push_back(&disk->files, &file->link);
    return file;
}

static void
piece_delete(struct sim_piece *piece)
{
    list_remove(&piece->page_link);
    list_remove(&piece->request_link);
    if (list_is_empty(&piece->page->pieces))
        list_remove(&piece->page->dirty_link);
    sim_heap_free(piece);
}

static void
file_delete(struct sim_file *file)
{
    for (uint64_t i = 0; i < file->page_count; i++) {
        struct sim_page *page = file->pages[i];
        if (!page)
            continue;
        while (!list_is_empty(&page->pieces))
            piece_delete(list_entry(page->pieces.next, struct sim_piece, page_link));
        sim_heap_free(page);
    }
    list_remove(&file->link);
    sim_heap_free(file->pages);
    sim_heap_free(file);
}

static void
file_grow(struct sim_file *file, uint64_t size)
{
    uint64_t page_count = (size + PAGE_SIZE - 1) / PAGE_SIZE;
    if (page_count > file->page_count) {
        uint64_t capacity = page_count > file->page_count * 2 ? page_count : file->page_count * 2;
        file->pages = sim_heap(file->pages, capacity * sizeof(void *));
        memset(file->pages + file->page_count, 0, (capacity - file->page_count) * sizeof(void *));
        file->page_count = capacity;
    }
}

static struct sim_page *
page_need(struct sim_file *file, uint64_t index)
{
    assert(index < file->page_count);
    if (!file->pages[index]) {
        struct sim_page *page = sim_heap(NULL, sizeof(*page));
        memset(page, 0, sizeof(*page));
        page->file = file;
        page->index = index;
        list_init(&page->dirty_link);
        list_init(&page->pieces);
        file->pages[index] = page;
    }
    return file->pages[index];
}

static uint8_t
sector_mask(uint32_t offset, uint32_t size)
{
    uint32_t first = offset / SECTOR_SIZE, last = (offset + size - 1) / SECTOR_SIZE;
    return (uint8_t)((2u << last) - (1u << first));
}

static uint64_t
disk_used_size(const struct sim_disk *disk)
{
    uint64_t size = 0;
    list_for_each (link, &disk->files)
        size += list_entry(link, struct sim_file, link)->current_size;
    return size;
}

static bool
disk_is_full(struct sim *sim, const struct sim_file *file, uint64_t end)
{
    uint64_t capacity = sim->options.disk_capacity_size;
    if (capacity == 0 || end <= file->current_size)
        return false;
    return disk_used_size(sim->disk) + (end - file->current_size) > capacity;
}

/* ---- writing ---- */

/* Notes that `size` bytes are on their way. Zeros over zeros need no note. */
static void
piece_add(
    struct sim *sim,
    struct list_link *pieces,
    struct sim_file *file,
    const unsigned char *data,
    uint64_t offset,
    uint32_t size)
{
    uint64_t index = offset / PAGE_SIZE;
    uint32_t in_page = (uint32_t)(offset % PAGE_SIZE);
    assert(size > 0 && in_page + size <= PAGE_SIZE);
    assert(file->pages && index < file->page_count);
    if (!file->pages[index] && memcmp(data, zeros, size) == 0)
        return;
    struct sim_page *page = page_need(file, index);
    uint8_t sectors = sector_mask(in_page, size);
    list_for_each (link, &page->pieces) {
        struct sim_piece *other = list_entry(link, struct sim_piece, page_link);
        assert(other->completed || (other->sectors & sectors) == 0);
    }
    if (list_is_empty(&page->pieces))
        list_push_back(&sim->disk->dirty, &page->dirty_link);
    struct sim_piece *piece = sim_heap(NULL, sizeof(*piece) + size);
    *piece = (struct sim_piece){.page = page, .offset = in_page, .size = size, .sectors = sectors};
    memcpy(piece->data, data, size);
    list_push_back(&page->pieces, &piece->page_link);
    list_push_back(pieces, &piece->request_link);
}

static void
pieces_add(
    struct sim *sim,
    struct list_link *pieces,
    struct sim_file *file,
    const void *data,
    size_t size,
    uint64_t offset)
{
    const unsigned char *bytes = data;
    list_init(pieces);
    file_grow(file, offset + size);
    while (size > 0) {
        uint64_t room = PAGE_SIZE - offset % PAGE_SIZE;
        uint32_t part = (uint32_t)(size < room ? size : room);
        piece_add(sim, pieces, file, bytes, offset, part);
        bytes += part;
        offset += part;
        size -= part;
    }
}

/* The sectors of `mask` are on the medium: what older writes left there cannot come back. */
static void
page_forget_older(struct sim_page *page, const struct sim_piece *newer)
{
    struct list_link *link = page->pieces.next;
    while (link != &page->pieces) {
        struct sim_piece *piece = list_entry(link, struct sim_piece, page_link);
        link = link->next;
        if (piece == newer || !piece->completed)
            continue;
        piece->sectors &= (uint8_t)~newer->sectors;
        if (piece->sectors == 0)
            piece_delete(piece);
    }
}

static void
pieces_complete(struct list_link *pieces, struct sim_file *file, uint64_t end, bool durable)
{
    struct list_link *link;
    while ((link = list_pop_front(pieces))) {
        struct sim_piece *piece = list_entry(link, struct sim_piece, request_link);
        struct sim_page *page = piece->page;
        memcpy(page->current + piece->offset, piece->data, piece->size);
        piece->completed = true;
        if (durable) {
            memcpy(page->stable + piece->offset, piece->data, piece->size);
            page_forget_older(page, piece);
            piece_delete(piece);
        } else {
            /* Younger than all that completed before it. */
            list_remove(&piece->page_link);
            list_push_back(&page->pieces, &piece->page_link);
        }
    }
    if (file->current_size < end)
        file->current_size = end;
    if (durable && file->stable_size < end)
        file->stable_size = end;
}

/* The write failed: each sector got there or not. */
static void
pieces_fail(struct sim *sim, struct list_link *pieces)
{
    struct list_link *link;
    while ((link = list_pop_front(pieces))) {
        struct sim_piece *piece = list_entry(link, struct sim_piece, request_link);
        piece->completed = true;
        if (sim_random(sim, 2) == 0) {
            memcpy(piece->page->current + piece->offset, piece->data, piece->size);
            uint64_t end = piece->page->index * PAGE_SIZE + piece->offset + piece->size;
            if (piece->page->file->current_size < end)
                piece->page->file->current_size = end;
        } else {
            piece_delete(piece);
        }
    }
}

/* Sector by sector, by chance; the file is as long as the last byte that survived. */
static void
piece_survive(struct sim *sim, const struct sim_piece *piece)
{
    struct sim_page *page = piece->page;
    uint32_t at = piece->offset, end = piece->offset + piece->size;
    while (at < end) {
        uint32_t sector = at / SECTOR_SIZE;
        uint32_t sector_end = (sector + 1) * SECTOR_SIZE < end ? (sector + 1) * SECTOR_SIZE : end;
        if ((piece->sectors >> sector & 1) && sim_random(sim, 2) == 0) {
            memcpy(page->stable + at, piece->data + (at - piece->offset), sector_end - at);
            uint64_t size = page->index * PAGE_SIZE + sector_end;
            if (page->file->stable_size < size)
                page->file->stable_size = size;
        }
        at = sector_end;
    }
}

/* ---- power cuts ---- */

static void
disk_operation_count(struct sim *sim)
{
    sim->disk_operation_count++;
    if (sim->power_cut_countdown > 0 && --sim->power_cut_countdown == 0) {
        snprintf(sim->fatal_line, sizeof(sim->fatal_line), "power cut");
        sim_escape(sim);
    }
}

static void
file_sync(struct sim_file *file)
{
    for (uint64_t i = 0; i < file->page_count; i++) {
        struct sim_page *page = file->pages[i];
        if (!page || list_is_empty(&page->pieces))
            continue;
        memcpy(page->stable, page->current, PAGE_SIZE);
        struct list_link *link = page->pieces.next;
        while (link != &page->pieces) {
            struct sim_piece *piece = list_entry(link, struct sim_piece, page_link);
            link = link->next;
            if (piece->completed)
                piece_delete(piece);
        }
    }
    if (file->stable_size < file->current_size)
        file->stable_size = file->current_size;
}

/* Names that lead nowhere any more after a crash give their files back. */
static void
files_sweep(struct sim_disk *disk)
{
    list_for_each (link, &disk->files)
        list_entry(link, struct sim_file, link)->is_named = false;
    for (size_t i = 0; i < disk->stable.count; i++)
        disk->stable.items[i].file->is_named = true;
    struct list_link *link = disk->files.next;
    while (link != &disk->files) {
        struct sim_file *file = list_entry(link, struct sim_file, link);
        link = link->next;
        if (!file->is_named) {
            assert(file->handle_count == 0);
            file_delete(file);
        }
    }
}

void
sim_disk_crash(struct sim *sim)
{
    struct sim_disk *disk = sim->disk;
    while (!list_is_empty(&disk->dirty)) {
        struct sim_page *page = list_entry(disk->dirty.next, struct sim_page, dirty_link);
        while (!list_is_empty(&page->pieces)) {
            struct sim_piece *piece = list_entry(page->pieces.next, struct sim_piece, page_link);
            piece_survive(sim, piece);
            piece_delete(piece);
        }
        memcpy(page->current, page->stable, PAGE_SIZE);
    }
    size_t kept_count = disk->change_count ? sim_random(sim, disk->change_count + 1) : 0;
    for (size_t i = 0; i < kept_count; i++)
        names_change(&disk->stable, &disk->changes[i]);
    disk->change_count = 0;
    files_sweep(disk);
    list_for_each (link, &disk->files) {
        struct sim_file *file = list_entry(link, struct sim_file, link);
        file->current_size = file->stable_size;
    }
    disk->current.count = 0;
    for (size_t i = 0; i < disk->stable.count; i++)
        names_add(&disk->current, disk->stable.items[i].path, disk->stable.items[i].file);
    sim_trace(sim, kept_count);
}

struct sim_disk *
sim_disk_new(void)
{
    struct sim_disk *disk = sim_heap(NULL, sizeof(*disk));
    memset(disk, 0, sizeof(*disk));
    list_init(&disk->files);
    list_init(&disk->dirty);
    return disk;
}

void
sim_disk_delete(struct sim_disk *disk)
{
    while (!list_is_empty(&disk->files))
        file_delete(list_entry(disk->files.next, struct sim_file, link));
    sim_heap_free(disk->current.items);
    sim_heap_free(disk->stable.items);
    sim_heap_free(disk->changes);
    sim_heap_free(disk);
}

/* ---- reading and writing through the seam ---- */

static size_t
file_read(const struct sim_file *file, void *buffer, size_t size, uint64_t offset)
{
    if (offset >= file->current_size)
        return 0;
    if (size > file->current_size - offset)
        size = (size_t)(file->current_size - offset);
    unsigned char *out = buffer;
    size_t left = size;
    while (left > 0) {
        uint64_t index = offset / PAGE_SIZE, in_page = offset % PAGE_SIZE;
        size_t part = left < PAGE_SIZE - in_page ? left : (size_t)(PAGE_SIZE - in_page);
        const struct sim_page *page = index < file->page_count ? file->pages[index] : NULL;
        memcpy(out, page ? page->current + in_page : zeros, part);
        out += part;
        offset += part;
        left -= part;
    }
    return size;
}

static void
direct_check(const struct sim_handle *handle, const void *buffer, size_t size, uint64_t offset)
{
    assert(size > 0);
    if (!handle->direct)
        return;
    assert((uintptr_t)buffer % PAGE_SIZE == 0);
    assert(size % PAGE_SIZE == 0);
    assert(offset % PAGE_SIZE == 0);
}

void
sim_disk_submit(struct sim_shard *shard, struct io_op *op)
{
    struct sim *sim = shard->sim;
    struct sim_handle *handle = sim_handle_get(sim, op->handle, SIM_HANDLE_FILE);
    direct_check(handle, op->buffer, op->size, op->offset);
    struct sim_request *request = sim_heap(NULL, sizeof(*request));
    *request = (struct sim_request){.op = op, .file = handle->object};
    list_init(&request->pieces);
    request->file->handle_count++;
    if (op->kind == IO_WRITE) {
        if (disk_is_full(sim, request->file, op->offset + op->size))
            request->result = -ENOSPC;
        else
            pieces_add(sim, &request->pieces, request->file, op->buffer, op->size, op->offset);
        if (!request->result && sim_chance(sim, sim->options.write_error_ppm))
            request->result = -EIO;
    } else if (sim_chance(sim, sim->options.read_error_ppm)) {
        request->result = -EIO;
    }
    uint64_t delay_ns = sim_delay(sim, sim->options.disk_delay_ns_max, 200000, 50);
    sim_event_add(sim, delay_ns, SIM_EVENT_DISK, shard->seam.shard_index, request, 0);
    disk_operation_count(sim);
}

void
sim_disk_complete(struct sim *sim, const struct sim_event *event)
{
    struct sim_request *request = event->subject;
    struct io_op *op = request->op;
    int64_t result = request->result;
    if (op->kind == IO_WRITE && result == 0) {
        pieces_complete(&request->pieces, request->file, op->offset + op->size, op->durable);
        result = (int64_t)op->size;
    } else if (op->kind == IO_WRITE) {
        pieces_fail(sim, &request->pieces);
    } else if (result == 0) {
        result = (int64_t)file_read(request->file, op->buffer, op->size, op->offset);
        sim_trace(sim, hash_bytes(op->buffer, (size_t)result, 0));
    }
    sim_disk_forget(sim, request);
    sim_complete(sim, event->shard_index, op, result);
}

/* The machine went down with the request in flight: its pieces stay for the crash to decide. */
void
sim_disk_forget(struct sim *sim, void *subject)
{
    struct sim_request *request = subject;
    assert(sim->disk && request->file->handle_count > 0);
    struct list_link *link;
    while ((link = list_pop_front(&request->pieces)))
        list_entry(link, struct sim_piece, request_link)->completed = true;
    request->file->handle_count--;
    sim_heap_free(request);
}

static void
blocking_cost(struct sim *sim)
{
    sim->elapsed_ns += 1000 + sim_random(sim, 50000);
    disk_operation_count(sim);
}

int64_t
sim_disk_open(struct seam *seam, const char *path, bool create, bool direct, io_handle *handle)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    char normal[SIM_PATH_SIZE];
    path_normal(path, normal);
    const struct sim_name *name = names_lookup(&sim->disk->current, normal);
    if (name && name->file->is_directory)
        return -EISDIR;
    if (!name && (!create || !parent_exists(sim->disk, normal)))
        return -ENOENT;
    if (!name) {
        struct name_change change = {.kind = NAME_ADD, .file = file_new(sim->disk, false)};
        memcpy(change.path, normal, sizeof(normal));
        change_add(sim, &change);
        name = names_lookup(&sim->disk->current, normal);
        blocking_cost(sim);
    }
    *handle = sim_handle_new(sim, SIM_HANDLE_FILE, seam->shard_index, name->file);
    sim->handles[*handle].direct = direct;
    name->file->handle_count++;
    return 0;
}

void
sim_disk_close(struct sim *sim, struct sim_handle *handle)
{
    struct sim_file *file = handle->object;
    assert(sim->disk && handle->kind == SIM_HANDLE_FILE && file->handle_count > 0);
    file->handle_count--;
    handle->kind = SIM_HANDLE_NONE;
}

int64_t
sim_disk_close_now(struct seam *seam, io_handle handle)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    sim_disk_close(sim, sim_handle_get(sim, handle, SIM_HANDLE_FILE));
    return 0;
}

int64_t
sim_disk_read(struct seam *seam, io_handle handle, void *buffer, size_t size, uint64_t offset)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    struct sim_handle *found = sim_handle_get(sim, handle, SIM_HANDLE_FILE);
    direct_check(found, buffer, size, offset);
    if (sim_chance(sim, sim->options.read_error_ppm))
        return -EIO;
    return (int64_t)file_read(found->object, buffer, size, offset);
}

int64_t
sim_disk_write(
    struct seam *seam, io_handle handle, const void *buffer, size_t size, uint64_t offset)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    struct sim_handle *found = sim_handle_get(sim, handle, SIM_HANDLE_FILE);
    direct_check(found, buffer, size, offset);
    struct sim_file *file = found->object;
    if (disk_is_full(sim, file, offset + size))
        return -ENOSPC;
    struct list_link pieces;
    pieces_add(sim, &pieces, file, buffer, size, offset);
    if (sim_chance(sim, sim->options.write_error_ppm)) {
        pieces_fail(sim, &pieces);
        return -EIO;
    }
    pieces_complete(&pieces, file, offset + size, false);
    blocking_cost(sim);
    return (int64_t)size;
}

int64_t
sim_disk_sync(struct seam *seam, io_handle handle)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    struct sim_handle *found = sim_handle_get(sim, handle, SIM_HANDLE_FILE);
    blocking_cost(sim);
    if (sim_chance(sim, sim->options.write_error_ppm))
        return -EIO;
    file_sync(found->object);
    return 0;
}

int64_t
sim_disk_handle_size(struct seam *seam, io_handle handle)
{
    const struct sim_handle *found = sim_handle_get(
        sim_shard_of(seam)->sim, handle, SIM_HANDLE_FILE);
    return (int64_t)((const struct sim_file *)found->object)->current_size;
}

/* The last part of `path` when it lies directly in `directory`, else NULL. */
static const char *
path_within(const char *path, const char *directory)
{
    size_t size = strlen(directory);
    if (size > 0 && (strncmp(path, directory, size) != 0 || path[size] != '/'))
        return NULL;
    const char *rest = size > 0 ? path + size + 1 : path;
    return strchr(rest, '/') ? NULL : rest;
}

/* Inserts in order of name; what does not fit falls off the end. */
static void
entries_insert(struct disk_entry *out, size_t count, size_t max, const char *name, uint64_t size)
{
    size_t at = count < max ? count : max;
    while (at > 0 && strcmp(out[at - 1].name, name) > 0) {
        if (at < max)
            out[at] = out[at - 1];
        at--;
    }
    if (at < max) {
        memset(&out[at], 0, sizeof(out[at]));
        memcpy(out[at].name, name, strlen(name) + 1);
        out[at].size = size;
    }
}

int64_t
sim_disk_list(struct seam *seam, const char *path, struct disk_entry *out, size_t max)
{
    struct sim_disk *disk = sim_shard_of(seam)->sim->disk;
    char directory[SIM_PATH_SIZE];
    path_normal(path, directory);
    if (!directory_exists(disk, directory))
        return -ENOENT;
    size_t count = 0;
    for (size_t i = 0; i < disk->current.count; i++) {
        const struct sim_name *name = &disk->current.items[i];
        const char *rest = path_within(name->path, directory);
        if (!rest)
            continue;
        assert(strlen(rest) < sizeof(out->name));
        entries_insert(out, count, max, rest, name->file->current_size);
        count++;
    }
    return (int64_t)count;
}

int64_t
sim_disk_make_directory(struct seam *seam, const char *path)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    struct name_change change = {.kind = NAME_ADD};
    path_normal(path, change.path);
    if (names_lookup(&sim->disk->current, change.path))
        return -EEXIST;
    if (!parent_exists(sim->disk, change.path))
        return -ENOENT;
    change.file = file_new(sim->disk, true);
    change_add(sim, &change);
    blocking_cost(sim);
    return 0;
}

int64_t
sim_disk_remove(struct seam *seam, const char *path)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    struct name_change change = {.kind = NAME_REMOVE};
    path_normal(path, change.path);
    const struct sim_name *name = names_lookup(&sim->disk->current, change.path);
    if (!name)
        return -ENOENT;
    for (size_t i = 0; i < sim->disk->current.count; i++)
        if (name->file->is_directory && path_within(sim->disk->current.items[i].path, change.path))
            return -ENOTEMPTY;
    change_add(sim, &change);
    blocking_cost(sim);
    return 0;
}

int64_t
sim_disk_rename(struct seam *seam, const char *from, const char *to)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    struct name_change change = {.kind = NAME_RENAME};
    path_normal(from, change.path);
    path_normal(to, change.to);
    const struct sim_name *name = names_lookup(&sim->disk->current, change.path);
    if (!name || !parent_exists(sim->disk, change.to))
        return -ENOENT;
    assert(!name->file->is_directory);
    change.file = name->file;
    change_add(sim, &change);
    blocking_cost(sim);
    return 0;
}

int64_t
sim_disk_sync_directory(struct seam *seam, const char *path)
{
    struct sim *sim = sim_shard_of(seam)->sim;
    struct sim_disk *disk = sim->disk;
    char directory[SIM_PATH_SIZE], of_change[SIM_PATH_SIZE];
    path_normal(path, directory);
    if (!directory_exists(disk, directory))
        return -ENOENT;
    blocking_cost(sim);
    if (sim_chance(sim, sim->options.write_error_ppm))
        return -EIO;
    size_t left_count = 0;
    for (size_t i = 0; i < disk->change_count; i++) {
        struct name_change change = disk->changes[i];
        path_directory(change.kind == NAME_RENAME ? change.to : change.path, of_change);
        if (strcmp(of_change, directory) == 0)
            names_change(&disk->stable, &change);
        else
            disk->changes[left_count++] = change;
    }
    disk->change_count = left_count;
    return 0;
}

/* ---- the disk from outside ---- */

int64_t
sim_disk_size(struct sim *sim, const char *path)
{
    char normal[SIM_PATH_SIZE];
    path_normal(path, normal);
    const struct sim_name *name = names_lookup(&sim->disk->current, normal);
    return name ? (int64_t)name->file->current_size : -1;
}

size_t
sim_disk_peek(struct sim *sim, const char *path, uint64_t offset, void *out, size_t size)
{
    char normal[SIM_PATH_SIZE];
    path_normal(path, normal);
    const struct sim_name *name = names_lookup(&sim->disk->current, normal);
    return name ? file_read(name->file, out, size, offset) : 0;
}

static struct sim_file *
poke_file(struct sim_disk *disk, const char *path, bool is_directory)
{
    const struct sim_name *name = names_lookup(&disk->current, path);
    struct sim_file *file = name ? name->file : file_new(disk, is_directory);
    names_add(&disk->current, path, file);
    names_add(&disk->stable, path, file);
    return file;
}

void
sim_disk_poke(struct sim *sim, const char *path, uint64_t offset, const void *data, size_t size)
{
    char normal[SIM_PATH_SIZE], directory[SIM_PATH_SIZE];
    path_normal(path, normal);
    path_directory(normal, directory);
    if (directory[0])
        poke_file(sim->disk, directory, true);
    struct sim_file *file = poke_file(sim->disk, normal, false);
    struct list_link pieces;
    pieces_add(sim, &pieces, file, data, size, offset);
    pieces_complete(&pieces, file, offset + size, true);
}
