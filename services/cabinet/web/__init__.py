"""The pages: server-rendered, complete without JavaScript, in Russian and English."""
