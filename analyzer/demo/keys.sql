-- Primary keys, Django's indexes and foreign keys. Django makes an index for every foreign key;
-- two are missing here on purpose (db_index=False): shop_order.coupon_id and shop_orderline.product_id.

ALTER TABLE auth_user ADD PRIMARY KEY (id), ADD CONSTRAINT auth_user_username_key UNIQUE (username);
ALTER TABLE django_session ADD PRIMARY KEY (session_key);
ALTER TABLE shop_category ADD PRIMARY KEY (id);
ALTER TABLE shop_product ADD PRIMARY KEY (id), ADD CONSTRAINT shop_product_sku_key UNIQUE (sku);
ALTER TABLE shop_customer ADD PRIMARY KEY (id), ADD CONSTRAINT shop_customer_user_id_key UNIQUE (user_id);
ALTER TABLE shop_coupon ADD PRIMARY KEY (id), ADD CONSTRAINT shop_coupon_code_key UNIQUE (code);
ALTER TABLE shop_order ADD PRIMARY KEY (id), ADD CONSTRAINT shop_order_number_key UNIQUE (number);
ALTER TABLE shop_orderline ADD PRIMARY KEY (id);
ALTER TABLE shop_review ADD PRIMARY KEY (id);
ALTER TABLE shop_event ADD PRIMARY KEY (id);
ALTER TABLE shop_job ADD PRIMARY KEY (id);

CREATE INDEX django_session_expire_date_a5c62663 ON django_session (expire_date);
CREATE INDEX shop_category_parent_id_4f0a1c22 ON shop_category (parent_id);
CREATE INDEX shop_product_category_id_14d7eea8 ON shop_product (category_id);
CREATE INDEX shop_product_featured_idx ON shop_product (created_at DESC) WHERE is_featured;
CREATE INDEX shop_order_customer_id_f638df20 ON shop_order (customer_id);
CREATE INDEX shop_order_status_created_idx ON shop_order (status, created_at);
CREATE INDEX shop_order_created_at_2c1b7a90 ON shop_order (created_at);
CREATE INDEX shop_orderline_order_id_e5a90d17 ON shop_orderline (order_id);
CREATE INDEX shop_review_product_id_5a1b7c3e ON shop_review (product_id);
-- Usable for the foreign key though another column follows:
CREATE INDEX shop_review_customer_recent_idx ON shop_review (customer_id, created_at DESC);
-- Usable for the foreign key though it is partial:
CREATE INDEX shop_event_customer_id_d81f9b60 ON shop_event (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX shop_event_created_at_7e2d4c15 ON shop_event (created_at);
CREATE INDEX shop_job_order_id_90c3b7aa ON shop_job (order_id);
CREATE INDEX shop_job_queue_idx ON shop_job (run_at) WHERE status = 'queued';

ALTER TABLE shop_category ADD CONSTRAINT shop_category_parent_id_4f0a1c22_fk_shop_category_id
    FOREIGN KEY (parent_id) REFERENCES shop_category (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_product ADD CONSTRAINT shop_product_category_id_14d7eea8_fk_shop_category_id
    FOREIGN KEY (category_id) REFERENCES shop_category (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_customer ADD CONSTRAINT shop_customer_user_id_8d1e3b70_fk_auth_user_id
    FOREIGN KEY (user_id) REFERENCES auth_user (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_order ADD CONSTRAINT shop_order_customer_id_f638df20_fk_shop_customer_id
    FOREIGN KEY (customer_id) REFERENCES shop_customer (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_order ADD CONSTRAINT shop_order_coupon_id_b4d92c07_fk_shop_coupon_id
    FOREIGN KEY (coupon_id) REFERENCES shop_coupon (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_orderline ADD CONSTRAINT shop_orderline_order_id_e5a90d17_fk_shop_order_id
    FOREIGN KEY (order_id) REFERENCES shop_order (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_orderline ADD CONSTRAINT shop_orderline_product_id_3b6f8e51_fk_shop_product_id
    FOREIGN KEY (product_id) REFERENCES shop_product (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_review ADD CONSTRAINT shop_review_product_id_5a1b7c3e_fk_shop_product_id
    FOREIGN KEY (product_id) REFERENCES shop_product (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_review ADD CONSTRAINT shop_review_customer_id_c07d2a94_fk_shop_customer_id
    FOREIGN KEY (customer_id) REFERENCES shop_customer (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_event ADD CONSTRAINT shop_event_customer_id_d81f9b60_fk_shop_customer_id
    FOREIGN KEY (customer_id) REFERENCES shop_customer (id) DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE shop_job ADD CONSTRAINT shop_job_order_id_90c3b7aa_fk_shop_order_id
    FOREIGN KEY (order_id) REFERENCES shop_order (id) DEFERRABLE INITIALLY DEFERRED;

-- Identity columns go on after the ids given above.
SELECT setval(pg_get_serial_sequence(t, 'id'), m)
FROM (SELECT 'auth_user' AS t, max(id)::bigint AS m FROM auth_user
      UNION ALL SELECT 'shop_category', max(id) FROM shop_category
      UNION ALL SELECT 'shop_product', max(id) FROM shop_product
      UNION ALL SELECT 'shop_customer', max(id) FROM shop_customer
      UNION ALL SELECT 'shop_coupon', max(id) FROM shop_coupon
      UNION ALL SELECT 'shop_order', max(id) FROM shop_order) AS given;
