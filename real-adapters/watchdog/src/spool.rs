//! A body that must be whole before it is used: in memory while it is short, in a nameless file from then on.

use std::io::{self, Cursor, SeekFrom};

use bytes::Bytes;
use faas_lab_http::Body;
use faas_lab_http::body::root_cause;
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

/// Bytes that stay in memory.
const IN_MEMORY: usize = 1 << 20;

/// Bytes being collected.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    memory: Vec<u8>,
    file: Option<File>,
    length: u64,
}

impl Spool {
    /// A whole request body, or why it did not come.
    pub(crate) async fn read(mut body: Body) -> Result<Spool, String> {
        let mut spool = Spool::default();
        while let Some(data) = body.data().await {
            let data = data.map_err(|error| format!("read: {}", root_cause(&*error)))?;
            spool.push(&data).await.map_err(|error| error.to_string())?;
        }
        Ok(spool)
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    pub(crate) async fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.length += bytes.len() as u64;
        if self.file.is_none() && self.memory.len() + bytes.len() <= IN_MEMORY {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = File::from_std(tempfile::tempfile()?);
                file.write_all(&std::mem::take(&mut self.memory)).await?;
                self.file.insert(file)
            }
        };
        file.write_all(bytes).await
    }

    /// What was collected, from its beginning.
    pub(crate) async fn reader(self) -> io::Result<Box<dyn AsyncRead + Send + Sync + Unpin>> {
        match self.file {
            None => Ok(Box::new(Cursor::new(self.memory))),
            Some(mut file) => {
                file.flush().await?;
                file.seek(SeekFrom::Start(0)).await?;
                Ok(Box::new(file))
            }
        }
    }

    /// As a body of known length.
    pub(crate) async fn into_body(self) -> io::Result<Body> {
        if self.file.is_none() {
            return Ok(Body::full(self.memory));
        }
        let (sender, body) = Body::channel(1, Some(self.length));
        let mut reader = self.reader().await?;
        tokio::spawn(async move {
            let mut some = vec![0; 65_536];
            loop {
                match reader.read(&mut some).await {
                    Ok(0) => return,
                    Ok(n) if sender.send(Bytes::copy_from_slice(&some[..n])).await.is_ok() => {}
                    Ok(_) => return,
                    Err(error) => return sender.abort(error).await,
                }
            }
        });
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gives_back_what_it_took_from_memory_and_from_a_file() {
        for pieces in [0, 1, 3, 40] {
            let piece: Vec<u8> = (0..100_000_u32).map(|i| (i % 251) as u8).collect();
            let mut spool = Spool::default();
            for _ in 0..pieces {
                spool.push(&piece).await.expect("room");
            }
            assert_eq!(spool.file.is_some(), pieces > 10);
            let body = spool.into_body().await.expect("a body");
            assert_eq!(body.length(), Some(pieces as u64 * 100_000));
            let all = body.collect(usize::MAX).await.expect("all of it");
            assert!(all == piece.repeat(pieces));
        }
    }
}
