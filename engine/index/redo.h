#pragma once

#include "engine/log/log_record.h"
#include "engine/storage/buffer_manager.h"

namespace muster {

/// Restart's redo of one page: applied, and the page stamped with the record's end, if the page is older than
/// that; otherwise false is returned. In both cases the page is written to the file once more: whether an earlier
/// write of it has reached the disk is known of no page that the log still has a record of. The table must be open. A record that does not fit
/// what the page holds, or a page that is no whole one, is a DamageError that leaves the page as it was.
bool redo(BufferManager& buffers, const RecordChange& change, Lsn record_end);
bool redo(BufferManager& buffers, const PageImage& image, Lsn record_end);
bool redo(BufferManager& buffers, const Reclaim& reclaim, Lsn record_end);

}  // namespace muster
