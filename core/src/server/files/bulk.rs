//! Content that is sent, behind everything else (`PROTOCOL.md` U14).

use crate::{
    ids::ConnectionId,
    server::Server,
    wire::{self, DATA_BYTES_MAX, ToClient},
};

impl Server {
    /// Puts content into a connection's buffer, a frame of each download in turn, while little waits in it.
    pub(in crate::server) fn send_bulk(&mut self, id: ConnectionId) {
        let most = self.config.limits.bulk_bytes_max;
        if let Some(connection) = self.peers.connections.get_mut(id) {
            connection.sends_bulk = false;
        }
        loop {
            let Some(connection) = self.peers.connections.get_mut(id) else { return };
            if connection.outbound.len() >= most {
                return;
            }
            let Some(downloads) = connection.ready_mut().map(|ready| &mut ready.transfers.downloads) else {
                return;
            };
            let Some(index) = downloads
                .iter()
                .position(|download| !download.chunks.is_empty() && download.sending.credit() > 0)
            else {
                return;
            };
            // Whoever is served goes to the end.
            let Some(mut download) = downloads.remove(index) else { return };
            let (transfer, offset) = (download.transfer, download.sending.next());
            let Some(chunk) = download.chunks.front_mut() else { return };
            let rest = &chunk.bytes[chunk.sent..];
            let credit = usize::try_from(download.sending.credit()).unwrap_or(usize::MAX);
            let count = rest.len().min(DATA_BYTES_MAX).min(credit);
            let message = ToClient::from(wire::Data { transfer, offset, bytes: &rest[..count] });
            let added = self.peers.append(id, &self.config.limits, |buffer| message.encode(buffer));
            chunk.sent += count;
            if chunk.sent == chunk.bytes.len() {
                download.chunks.pop_front();
            }
            download.sending.sent(count as u64);
            let ended = download.sending.next() == download.size;
            if let Some(connection) = self.peers.connections.get_mut(id) {
                connection.outbound.count_bulk(added);
                if let Some(ready) = connection.ready_mut() {
                    ready.transfers.downloads.push_back(download);
                }
            }
            if ended {
                self.end_download(id, transfer);
            } else {
                self.read_ahead(id, transfer);
            }
        }
    }
}
