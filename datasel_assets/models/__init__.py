"""Models: encoders over Hugging Face models, token counts. The only folder that imports torch and transformers."""
